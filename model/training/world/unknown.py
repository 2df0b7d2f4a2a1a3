"""What is beyond nano: silence, music, noise, other languages, and English about anything else.

It says what it could not do and makes nothing up. The sentences here are many and of words that the rest
of the world does not use, so that `strange` can tell them. Knows no audio samples.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from model.training.world.core import Answer, Delivery, Event, Rule, State, Utterance
from model.training.world.foreign import SENTENCES
from model.training.world.speech import ONES, asked

NOT_UNDERSTOOD = "I did not understand that."
NOTHING_HEARD = "I did not hear anything."
ONLY_NOISE = "I hear only noise."
ONLY_MUSIC = "I hear music, but no words."
ENGLISH_ONLY = "I only understand English."

THINGS = (
    "dog house garden window door table river mountain train flower tree bird song letter bread street "
    "doctor king queen brother sister horse ship island story picture paper chair bottle shoe jacket "
    "cheese dragon castle forest bridge engine farmer soldier pirate monkey tiger rabbit chicken bicycle "
    "bus airport hotel restaurant kettle mirror carpet blanket guitar piano violin trumpet movie "
    "newspaper magazine computer telephone camera battery screen planet rocket ocean beach desert volcano "
    "storm thunder lightning sandwich potato salad soup pizza burger sausage pepper onion garlic butter "
    "honey lawyer nurse painter baker dentist plumber neighbour stranger uncle cousin grandmother husband "
    "wife church museum library factory market bakery village harbour tunnel tower ladder bucket shovel "
    "wallet passport luggage suitcase envelope calendar scissors needle button curtain sofa cupboard "
    "fridge oven"
).split()
PLACES = (
    "france germany america africa china japan india brazil canada egypt sweden norway poland greece "
    "australia chicago tokyo moscow amsterdam hamburg sydney boston texas scotland ireland"
).split()
DOES = (
    "sees likes sells opens closes paints carries hears watches breaks steals repairs washes cooks "
    "borrows hides chases admires visits destroys builds kicks throws catches"
).split()
DID = (
    "bought sold painted carried followed watched broke stole repaired washed cooked borrowed hid chased "
    "visited destroyed built kicked threw caught drew wrote sang cleaned burned dropped"
).split()
DOING = (
    "swimming dancing running sleeping cooking fishing painting driving climbing singing skiing flying "
    "sailing gardening travelling knitting camping hunting"
).split()
DO = (
    "repair paint clean open sell buy borrow cook wash fold carry throw build grow draw plant hide steal "
    "fix bake"
).split()
QUALITIES = (
    "strange lovely heavy broken expensive cheap wooden golden rusty dirty clean hungry thirsty sleepy "
    "angry lonely famous dangerous gentle clever lazy brave nervous beautiful ugly delicious rotten "
    "ancient modern tiny huge shiny dusty sticky smooth crooked"
).split()
SUBJECTS = (
    "history politics football tennis chess philosophy chemistry physics biology geography religion "
    "poetry fashion medicine economics astronomy dinosaurs robots ghosts aliens elephants computers "
    "elections taxes"
).split()
FAMOUS = (
    "shakespeare einstein napoleon mozart beethoven picasso cleopatra columbus newton darwin gandhi elvis"
).split()
JOBS = "president king queen mayor minister capital captain inventor owner author".split()

_T, _Q, _P = THINGS, QUALITIES, PLACES
CHAT = (
    "i had a terrible dream yesterday evening",
    "my knee hurts when i climb the stairs",
    "it has been raining since breakfast",
    "let us meet at the station later",
    "my parents are coming for dinner",
    "i forgot my umbrella on the bus",
    "nobody answered the telephone",
    "they moved to another apartment",
    "i am bored and tired",
    "do you believe in ghosts",
    "are you a robot",
    "do you have feelings",
    "are you married",
    "can you dance",
    "sing a song for me",
    "tell me a joke",
    "tell me another joke",
    "tell me something funny",
    "what is the meaning of life",
    "what is love",
    "i love you",
    "you are stupid",
    "that was wonderful",
    "never mind it does not matter",
    "what a beautiful morning",
    "see you at the party",
    "how old is the universe",
    "who won the football match",
    "did you watch the game last night",
    "read me the news",
    "what happened in the world today",
    "call my mother",
    "send a message to my boss",
    "play some jazz",
    "play my favourite song",
    "stop the music",
    "turn up the volume",
    "open the garage door",
    "navigate to the nearest petrol station",
    "where did i park the car",
    "how do i cook rice",
    "how long does it take to boil an egg",
    "translate this into french",
    "book a flight to new york",
    "what should i wear for the wedding",
    "is it going to be a boy or a girl",
    "the meeting was postponed until further notice",
    "our train was late again",
    "somebody stole my bicycle",
    "the children are playing outside",
)


def _article(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"


TEMPLATES: tuple[Callable[[random.Random], str], ...] = (
    lambda r: f"the {r.choice(_T)} {r.choice(DOES)} the {r.choice(_T)}",
    lambda r: f"the {r.choice(_Q)} {r.choice(_T)} {r.choice(DOES)} the {r.choice(_T)}",
    lambda r: f"my {r.choice(_T)} is {r.choice(_Q)} and {r.choice(_Q)}",
    lambda r: f"where is the {r.choice(_Q)} {r.choice(_T)}",
    lambda r: f"where did you put my {r.choice(_T)}",
    lambda r: f"play some {r.choice(_Q)} music in the {r.choice(_T)}",
    lambda r: f"why is the {r.choice(_T)} so {r.choice(_Q)}",
    lambda r: f"why are you so {r.choice(_Q)}",
    lambda r: f"{_article(r.choice(_Q))} {r.choice(_T)} {r.choice(DID)} my {r.choice(_T)}",
    lambda r: f"tell me about the {r.choice(_T)} and the {r.choice(_T)}",
    lambda r: f"tell me a story about {_article(r.choice(_T))}",
    lambda r: f"tell me something about {r.choice(SUBJECTS)}",
    lambda r: f"what do you think about {r.choice(SUBJECTS)}",
    lambda r: f"do you know anything about {r.choice(SUBJECTS)}",
    lambda r: f"explain {r.choice(SUBJECTS)} to {_article(r.choice(_T))}",
    lambda r: f"what is the {r.choice(_T)} of the {r.choice(_T)}",
    lambda r: f"who is the {r.choice(JOBS)} of {r.choice(_P)}",
    lambda r: f"what is the capital of {r.choice(_P)}",
    lambda r: f"how far is it from {r.choice(_P)} to {r.choice(_P)}",
    lambda r: f"how many people live in {r.choice(_P)}",
    lambda r: f"when was {r.choice(FAMOUS)} born",
    lambda r: f"who was {r.choice(FAMOUS)}",
    lambda r: f"did {r.choice(FAMOUS)} ever visit {r.choice(_P)}",
    lambda r: f"i would like {_article(r.choice(_Q))} {r.choice(_T)}",
    lambda r: f"can i have {_article(r.choice(_T))} please",
    lambda r: f"i want to buy {_article(r.choice(_Q))} {r.choice(_T)}",
    lambda r: f"turn on the {r.choice(_T)} near the {r.choice(_T)}",
    lambda r: f"switch off the {r.choice(_T)}",
    lambda r: f"book a table in {_article(r.choice(_Q))} restaurant in {r.choice(_P)}",
    lambda r: f"book a flight to {r.choice(_P)}",
    lambda r: f"order {_article(r.choice(_Q))} {r.choice(_T)} for my {r.choice(_T)}",
    lambda r: f"set the {r.choice(_T)} on fire",
    lambda r: f"how do i {r.choice(DO)} {_article(r.choice(_T))}",
    lambda r: f"can you {r.choice(DO)} the {r.choice(_T)}",
    lambda r: f"could you {r.choice(DO)} my {r.choice(_Q)} {r.choice(_T)} please",
    lambda r: f"please {r.choice(DO)} the {r.choice(_T)} and the {r.choice(_T)}",
    lambda r: f"do not {r.choice(DO)} the {r.choice(_T)}",
    lambda r: f"how much does the {r.choice(_Q)} {r.choice(_T)} cost",
    lambda r: f"we {r.choice(DID)} {_article(r.choice(_T))} in {r.choice(_P)}",
    lambda r: f"yesterday i {r.choice(DID)} {_article(r.choice(_Q))} {r.choice(_T)}",
    lambda r: f"they {r.choice(DID)} the {r.choice(_T)} behind the {r.choice(_T)}",
    lambda r: f"she was {r.choice(DOING)} with her {r.choice(_T)}",
    lambda r: f"we are going {r.choice(DOING)} in {r.choice(_P)}",
    lambda r: f"do you like {r.choice(DOING)} or {r.choice(DOING)}",
    lambda r: f"there is {_article(r.choice(_T))} under the {r.choice(_T)}",
    lambda r: f"have you ever seen {_article(r.choice(_Q))} {r.choice(_T)}",
    lambda r: f"the {r.choice(_T)} of my {r.choice(_T)} is {r.choice(_Q)}",
    lambda r: f"i think that {r.choice(SUBJECTS)} and {r.choice(DOING)} are boring",
    lambda r: f"is the {r.choice(_T)} more {r.choice(_Q)} than the {r.choice(_T)}",
    lambda r: f"which {r.choice(_T)} is the best",
    lambda r: f"remind me to {r.choice(DO)} the {r.choice(_T)}",
    lambda r: f"write a poem about {r.choice(SUBJECTS)}",
    lambda r: f"show me pictures of {_article(r.choice(_T))} in {r.choice(_P)}",
    lambda r: f"what colour is your {r.choice(_T)}",
)

NEAR: tuple[Callable[[random.Random], str], ...] = (  # they begin like something that nano knows
    lambda r: f"what is {r.choice(ONES)} plus the {r.choice(_T)}",
    lambda r: f"what is {r.choice(ONES)} times my {r.choice(_T)}",
    lambda r: f"what is half of the {r.choice(_T)}",
    lambda r: f"add {r.choice(ONES)} to the {r.choice(_T)}",
    lambda r: f"which is larger the {r.choice(_T)} or the {r.choice(_T)}",
    lambda r: f"is the {r.choice(_T)} larger than the {r.choice(_T)}",
    lambda r: f"how many more {r.choice(_T)} tickets do we need",
    lambda r: f"i have {r.choice(ONES)} {r.choice(_Q)} things in my {r.choice(_T)}",
    lambda r: f"what is the sum of the {r.choice(_T)}",
    lambda r: f"sort the {r.choice(_T)} by its {r.choice(_T)}",
    lambda r: f"what day is the {r.choice(_T)} in {r.choice(_P)}",
    lambda r: f"what month was {r.choice(FAMOUS)} born",
    lambda r: f"what comes after the {r.choice(_T)}",
    lambda r: f"what comes before the {r.choice(_Q)} {r.choice(_T)}",
    lambda r: f"how many months does the {r.choice(_T)} take",
    lambda r: f"how many days are in {r.choice(_P)}",
    lambda r: f"how many {r.choice(_Q)} people live in {r.choice(_P)}",
    lambda r: f"what time does the {r.choice(_T)} open",
    lambda r: f"what time is it in {r.choice(_P)}",
    lambda r: f"how do you spell {r.choice((*_Q, *_P, *FAMOUS))}",
    lambda r: f"spell the word {r.choice((*_Q, *SUBJECTS))}",
    lambda r: f"what is the opposite of the {r.choice(_T)}",
    lambda r: f"what is the opposite of {r.choice(SUBJECTS)}",
    lambda r: f"what colour is the {r.choice(_Q)} {r.choice(_T)}",
    lambda r: f"what colour is my {r.choice(_T)}",
    lambda r: f"what do you get from {r.choice(_T)} and {r.choice(_T)}",
    lambda r: f"who are you {r.choice(DOING)} with",
    lambda r: f"are you {r.choice(_Q)}",
    lambda r: f"are you {_article(r.choice(_T))}",
    lambda r: f"how are you {r.choice(DOING)}",
    lambda r: f"what can you {r.choice(DO)}",
    lambda r: f"remember to {r.choice(DO)} the {r.choice(_T)}",
    lambda r: f"remind me to {r.choice(DO)} my {r.choice(_T)}",
    lambda r: f"remember the {r.choice(_Q)} {r.choice(_T)}",
    lambda r: f"my name is on the {r.choice(_T)}",
    lambda r: f"what did the {r.choice(_T)} say",
    lambda r: f"what did i {r.choice(DO)}",
    lambda r: f"no i said {_article(r.choice(_T))}",
    lambda r: f"how many {r.choice(_T)} sounds did you hear",
    lambda r: f"count the {r.choice(_Q)} {r.choice(_T)}",
    lambda r: f"which {r.choice(_T)} is higher",
    lambda r: f"the first {r.choice(_T)} is {r.choice(_Q)}",
    lambda r: f"what came first the {r.choice(_T)} or the {r.choice(_T)}",
    lambda r: f"is my {r.choice(_T)} {r.choice(_Q)} or {r.choice(_Q)}",
    lambda r: f"am i {r.choice(_Q)}",
    lambda r: f"am i {r.choice(DOING)} or {r.choice(DOING)}",
    lambda r: f"i am {r.choice(DOING)} very fast",
    lambda r: f"i am very {r.choice(_Q)}",
    lambda r: f"my {r.choice(_T)} is very {r.choice(_Q)}",
    lambda r: f"is there {_article(r.choice(_T))} here",
    lambda r: f"do you hear the {r.choice(_T)}",
    lambda r: f"set a timer for the {r.choice(_T)}",
    lambda r: f"set the {r.choice(_T)} to {r.choice(_Q)}",
    lambda r: f"turn on the {r.choice(_T)}",
    lambda r: f"turn off the {r.choice(_T)} please",
    lambda r: f"switch on the {r.choice(_Q)} {r.choice(_T)}",
    lambda r: f"switch off the {r.choice(_T)} in the {r.choice(_T)}",
    lambda r: f"look up the {r.choice(_T)} of the {r.choice(_T)}",
    lambda r: f"what is the number of the {r.choice(_T)}",
    lambda r: f"can i have {_article(r.choice(_T))} please",
    lambda r: f"could i get {_article(r.choice(_Q))} {r.choice(_T)}",
    lambda r: f"could you {r.choice(DO)} {_article(r.choice(_T))} please",
    lambda r: f"i would like {_article(r.choice(_Q))} {r.choice(_T)} please",
    lambda r: f"order {_article(r.choice(_T))} with {r.choice(_T)}",
    lambda r: f"put the {r.choice(_T)} on the {r.choice(_T)}",
    lambda r: f"who was {r.choice(FAMOUS)}",
    lambda r: f"where is {r.choice(_P)}",
)

# Words that nothing else in the world has.
STRANGE = frozenset([*THINGS, *PLACES, *DOES, *DID, *DOING, *DO, *QUALITIES, *SUBJECTS, *FAMOUS, *JOBS])
WHOLE = frozenset([*CHAT, *(words for sentences in SENTENCES.values() for words in sentences)])


def strange(words: str) -> bool:
    """Whether nano would not have understood them."""
    return words in WHOLE or not STRANGE.isdisjoint(words.split())


# --- making ---


def _sound(r: random.Random, kind: str) -> Utterance:
    seconds = round(r.uniform(0.5, 3), 1)
    level = round(r.uniform(-36, -10)) if kind != "silence" else -12
    event = {
        "silence": Event("silence", seconds, gap=0.0),
        "noise": Event("noise", seconds, level=level, gap=0.0),
        "music": Event("music", seconds, pitch=round(r.uniform(200, 800)), level=level, gap=0.0),
    }[kind]
    key = f"{kind} {r.randrange(64)}"  # so that some of each is held out
    return Utterance("unknown", f"unknown_{kind}", "", key, before=(event,), heard=kind)


def _of(kind: str) -> Callable[[random.Random], Utterance]:
    return lambda r: _sound(r, kind)


def _foreign(r: random.Random) -> Utterance:
    language = r.choice(list(SENTENCES))
    words = r.choice(SENTENCES[language])
    delivery = Delivery(language=language)
    return Utterance("unknown", "unknown_language", words, words, delivery=delivery, heard="another language")


def _other(r: random.Random) -> Utterance:
    while True:
        words = r.choice(CHAT) if r.random() < 0.1 else r.choice(TEMPLATES)(r)
        if strange(words):
            return Utterance("unknown", "unknown_other", words, words, heard="something else")


def _near(r: random.Random) -> Utterance:
    words = asked(r, r.choice(NEAR)(r))
    return Utterance("unknown", "unknown_near", words, words, heard="something else")


def _reply(reply: str, brief: str) -> Callable[[State, Utterance], Answer]:
    return lambda state, said: Answer(reply, brief=brief, state=state)


RULES: dict[str, Rule] = {
    "unknown_silence": Rule(8, _of("silence"), _reply(NOTHING_HEARD, "Nothing.")),
    "unknown_noise": Rule(8, _of("noise"), _reply(ONLY_NOISE, "Noise.")),
    "unknown_music": Rule(8, _of("music"), _reply(ONLY_MUSIC, "Music.")),
    "unknown_language": Rule(24, _foreign, _reply(ENGLISH_ONLY, "English.")),
    "unknown_other": Rule(52, _other, _reply(NOT_UNDERSTOOD, "Unknown.")),
    # Drawn by its name alone, so that what a seed of the family gives is what it was before.
    "unknown_near": Rule(0, _near, _reply(NOT_UNDERSTOOD, "Unknown.")),
}
