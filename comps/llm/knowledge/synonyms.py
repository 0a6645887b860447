"""Words that ask for the same thing of this program: groups that count beside the words themselves."""

from __future__ import annotations

_EN = """
choose pick select
start launch run begin boot running started starting
stop quit exit end close terminate
install setup installation installing installed
picture photo image photograph portrait pictures photos images snapshot
computer machine pc laptop desktop computers
fast quick quickly rapid speedy speed
slow slower slowly
cost price pay money fee fees charge costs expensive payment
free gratis
licence license licensed licences licenses
save store keep stored saved record recorded retain
data information
private privacy confidential
internet online network wifi web connection
offline disconnected
voice voices
talk speak say speaking talking
hear listen understand
mouth lips lip
face faces head
avatar avatars character characters presenter presenters persona
engine engines backend backends model models
language languages
error errors problem problems failure fails fail wrong broken
help support assist assistance
make create build produce generate
change alter modify switch adjust
use utilise utilize apply
show display
question questions ask
answer answers reply response respond replies
author authors creator creators developer developers wrote built invented developed created made
feature features function functions
future planned plan plans roadmap upcoming next coming
memory ram
disk storage
size large big
maximum longest limit limits most max
minimum least
port ports
browser website webpage page site
terminal console shell
command commands
download fetch
upload send
video clip film movie videos
audio sound recording recordings
graphics gpu
processor cpu
requirements needed required require need requires
available included exist exists existing supported support supports
compatible compatibility works
human person people
robot bot machine
secure security safe safety protected protect
password login authentication
document documents files file texts
knowledge facts
different another other alternative
natural realistic lifelike human
better improve improved improvement enhance enhancement
restore restoration
reach connect hook attach
server service services
docker container containers
user users
several many multiple
simultaneously parallel
interrupt cancel abort
silent quiet
documentation manual docs handbook guide tutorial
test tests
measure benchmark benchmarks
log logs
monitor monitoring watch
emotion emotions feeling feelings mood
remember memory recall
configure configuration settings setting options configuring
"""


def _canonical(groups: str) -> dict[str, str]:
    return {word: f"*{line.split()[0]}" for line in groups.strip().split("\n") for word in line.split()}


SYNONYMS = _canonical(_EN)
"""Word to the name of its group."""
