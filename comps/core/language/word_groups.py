"""English words that visitors and customers use for one thing, and words that keep each other company."""

from __future__ import annotations

_SAME = """
deliver ship send mail post
return exchange refund
child kid daughter son baby
fear afraid scared frightened nervous anxious worried
ill sick unwell illness sickness disease
holiday vacation
salary wage pay payday payslip income
guest visitor
car vehicle
lift elevator
toilet restroom bathroom washroom lavatory
meal lunch dinner breakfast food
pain ache hurt sore
appointment booking date
book reserve reservation arrange
cancel postpone move reschedule
begin start
address location located
discount voucher coupon rebate
job vacancy career
ticket admission entry
phone telephone
internet wifi wireless
luggage baggage suitcase
wheelchair disabled barrier
bike bicycle
bus tram train
"""

_COMPANY = """
park parking car vehicle garage lot drive bike lorry motorcycle
open close hours hour weekday weekend monday tuesday wednesday thursday friday saturday sunday today tomorrow morning evening
return refund exchange receipt money back bring purchase warranty guarantee fit unhappy wrong
deliver parcel package home house door order courier arrive
pay card credit debit cash invoice bill euro dollar pound visa cheque transfer accept paypal
price cost charge fee expensive cheap euro dollar pound
appointment visit schedule slot calendar doctor dentist
emergency urgent accident pain broken night hospital ambulance
insurance cover private public policy
child young age family parent school
address way directions bus train station street floor map near
clean wash laundry dirt
ill doctor fever note hospital
holiday leave absence day
expense receipt reimburse spend meal
trip travel journey fly plane train hotel
password login account character
print printer copy copier scan paper page
room meeting conference hall
meal menu vegetarian vegan hungry drink kitchen canteen restaurant cafe eat
fire alarm burn smoke evacuate
salary money month earn payroll
parent parental mother father birth pregnant child
internet network connection connect
ticket entrance adult student senior price
contact phone call email number reach
repair broken break defect fault fix
smoke smoking cigarette
luggage bag locker coat wardrobe cloakroom
arrive arrival depart departure leave check
swim pool sauna towel
stay night bed room sleep hotel
photo picture camera
school class lesson course teacher pupil student
member membership join club
dog cat pet animal
tour guide group visit
"""


def _groups(lines: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(line.split()) for line in lines.strip().split("\n"))


SAME = _groups(_SAME)
"""Groups of words that visitors and customers use for one thing; word families, for small bases."""
COMPANY = _groups(_COMPANY)
"""Groups of words that are often said of one thing: "car" does not surprise in a question about parking."""
