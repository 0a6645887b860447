"""What goes before a conversation when a language model is to speak."""

from __future__ import annotations

from comps.llm.engine import LlmOptions, Message


def with_system_prompt(messages: tuple[Message, ...], prompt: str, options: LlmOptions) -> tuple[Message, ...]:
    """The conversation with one system message in front, where every model's template wants it.

    The client's own system messages replace `prompt`; a wish for a language is added to either.
    """
    own = [message.content for message in messages if message.role == "system"]
    parts = own or ([prompt] if prompt else [])
    if options.language:
        parts = [*parts, f"Answer in the language with the BCP 47 tag '{options.language}'."]
    spoken = tuple(message for message in messages if message.role != "system")
    return (Message("system", "\n".join(parts)), *spoken) if parts else spoken
