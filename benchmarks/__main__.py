"""Every benchmark, one after the other, as tables.

    python -m benchmarks [NAME ...]

Each runs in a process of its own, so that none inherits another's memory or threads. Figures are
medians or ratios; run it on an idle machine.
"""

from __future__ import annotations

import subprocess
import sys

BENCHMARKS = (
    "latency",
    "memory",
    "portrait_speed",
    "orchestrator",
    "asr_adaptation",
    "llm_knowledge",
    "small_bases",
    "tts_speed",
    "tts_phone_times",
    "tts_alignment",
    "audio2face",
    "audio2face_embedded",
    "audio2face_solver",
)
"""Those that need nothing but this checkout, the ones of the README's table first."""


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all; 1 when one of them failed."""
    failed = []
    for name in names or BENCHMARKS:
        print(f"\n== python -m benchmarks.{name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"]).returncode:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
