"""Ten inputs a task, and what can be checked of a good answer to each. A group of words holds those that will do."""

from __future__ import annotations

from dataclasses import dataclass, field

from checks import (
    Check,
    a_line,
    apart_from_examples,
    goes_on,
    has,
    is_whole,
    other_than,
    points,
    without,
    words,
    written_in,
)


@dataclass(frozen=True)
class Case:
    """A text, what a good answer passes, and the options the task is asked with."""

    text: str
    checks: tuple[Check, ...]
    options: dict[str, str] = field(default_factory=dict)


PASSAGES = (
    "The town library will close for six weeks from 3 June so that its roof can be repaired. Water has come in "
    "every winter since 2019, and two hundred books were lost last year. Borrowers may keep what they have until "
    "the library opens again, and a van will stand at the market on Saturdays with a small collection.",
    "Bees visit flowers to collect nectar and pollen. As they move, pollen sticks to their hairs and is carried "
    "to other flowers, which can then make seeds and fruit. A third of what people eat depends on this. Where "
    "pesticides are used heavily, the number of bees has fallen, and farmers have begun to rent hives.",
    "The company sold 48,000 bicycles in 2023, a fifth more than the year before. Most of the growth came from "
    "electric models, which are now half of all sales. Profit fell nevertheless, because batteries became more "
    "expensive and a new factory in Poland had to be paid for.",
    "Marie Curie was born in Warsaw in 1867 and moved to Paris to study physics. With her husband Pierre she "
    "discovered polonium and radium. She received the Nobel Prize in physics in 1903 and in chemistry in 1911, "
    "and remains the only person who was honoured in two sciences.",
    "In the trial, 240 patients with high blood pressure took either the new drug or a placebo for twelve weeks. "
    "Blood pressure fell by 14 points on average with the drug and by 3 points with the placebo. Headaches were "
    "the most common side effect; nobody had to leave the trial because of them.",
    "The night train from Vienna to Paris was cancelled on Friday after a storm had brought down a tree on the "
    "line near Salzburg. Three hundred passengers spent the night in the station. The railway gave them blankets "
    "and will return the price of their tickets.",
    "Coffee was first grown in Ethiopia. Traders took it to Yemen, where it was drunk by monks who wanted to stay "
    "awake. By 1600 there were coffee houses in Cairo and Istanbul, and by 1700 London had hundreds of them, in "
    "which merchants met to do business.",
    "Our survey asked 900 students how they travel to the university. Half of them take the bus, a quarter cycle, "
    "and the rest walk or drive. Those who cycle were the most satisfied. The most frequent wish was for buses "
    "that run later in the evening.",
    "A volcano on the island of Luma erupted early on Monday. Ash rose eight kilometres into the air and flights "
    "were stopped. Two thousand people were brought to safety by boat. Nobody was hurt, but scientists expect "
    "more eruptions this week.",
    "Sleep helps the brain to keep what was learned during the day. People who slept eight hours after learning a "
    "list of words remembered 40 per cent more of it than people who stayed awake. Short naps help too, though "
    "less than a whole night.",
)
_MATTERS = (
    ("library", "clos|repair|roof"),
    ("bee", "pollen|pollinat|flower|pesticid"),
    ("bicycle|bike|sales|sold", "profit|electric|growth|grew|48,000"),
    ("curie", "nobel|radium|polonium|physic"),
    ("drug", "blood pressure", "placebo|14|lower|fell|reduc"),
    ("train", "storm|tree|cancel"),
    ("coffee", "ethiopia|yemen|london|cairo"),
    ("student|university|survey", "bus|cycl"),
    ("volcano|erupt", "ash|flight|people|luma"),
    ("sleep|slept", "learn|remember|memory|brain"),
)
SUMMARIZE = tuple(
    Case(
        text,
        (has(*matters), words(6, len(text.split()) * 3 // 4), is_whole, other_than(text), apart_from_examples(text)),
        {"length": "short"},
    )
    for text, matters in zip(PASSAGES, _MATTERS, strict=True)
)
_SUBJECTS = (
    *("library", "bee|pollin", "bicycl|bike|sales|profit", "curie", "drug|trial|blood", "train|storm|vienna", "coffee"),
    *("student|travel|survey|bus", "volcan|erupt|luma", "sleep|brain|memory|learn"),
)
TITLE = tuple(
    Case(text, (a_line, words(2, 12), has(topic), other_than(text), apart_from_examples(text)))
    for text, topic in zip(PASSAGES, _SUBJECTS, strict=True)
)
BULLETS = tuple(
    Case(text, (points(2, 8), has(*matters), goes_on, apart_from_examples(text)))
    for text, matters in zip(PASSAGES, _MATTERS, strict=True)
)

GENERATE = tuple(
    Case(subject, (has(*said), words(40, 260), goes_on))
    for subject, said in (
        ("the history of the bicycle", ("bicycle", "wheel|pedal|century|invent")),
        ("how to keep a houseplant alive", ("plant", "water", "light|sun|soil")),
        ("why the sky is blue", ("sky", "light|scatter", "blue")),
        ("a rainy day in a small town", ("rain", "town|street|people")),
        ("the use of the median in statistics", ("median", "mean|average|middle|outlier|value")),
        ("the advantages of public transport", ("transport|bus|train", "traffic|cost|emission|environment|pollution")),
        ("a cat that is afraid of mice", ("cat", "mice|mouse", "afraid|fear|scare|hid|ran")),
        ("the water cycle", ("water", "evapor|rain|cloud|condens|precipit")),
        ("learning to play the piano", ("piano", "practi|learn|music|note|key")),
        ("the first day at a new school", ("school", "day", "teacher|class|student|friend")),
    )
)

NEWS = tuple(
    Case(facts, (has(*said), words(15, 220), goes_on, apart_from_examples(facts)))
    for facts, said in (
        ("Town: Ashford. New swimming pool opens Saturday. Cost 4 million. Free entry on the first day.",
         ("ashford", "pool", "saturday", "4 million", "free")),
        ("Fire in a bakery in Mill Street, Tuesday 5 am. Nobody hurt. Cause: an old oven.",
         ("fire", "bakery", "mill street", "tuesday", "oven")),
        ("Team: Rovers. Beat City 3-1. Two goals by Ana Silva. 12,000 spectators.",
         ("rovers", "3-1", "silva", "12,000")),
        ("University of Leeds finds: walking 30 minutes a day improves memory. 500 participants, two years.",
         ("leeds", "30 minutes|30-minute|thirty", "memory", "500")),
        ("Heavy snow closes the Gotthard road. 200 cars stuck. Road opens again on Thursday.",
         ("snow", "gotthard", "200", "thursday")),
        ("Bus fares rise by 10 per cent on 1 May. The council says fuel costs more. Students pay half.",
         ("bus|fare", "10", "may", "fuel", "student")),
        ("A nine-year-old, Leo Brand, found a Roman coin in a field near Trier. The museum will show it.",
         ("leo brand|brand", "coin", "trier", "museum")),
        ("Company Nordlys cuts 300 jobs in Oslo. Reason: falling sales. The factory in Bergen stays open.",
         ("nordlys", "300", "oslo", "bergen")),
        ("Election in Westport: Maria Lopez is the new mayor with 54 per cent. She wants more bicycle lanes.",
         ("westport", "lopez", "mayor", "54", "bicycle|bike")),
        ("The zoo has twin pandas, born on Sunday. Visitors can see them in October. Names will be chosen by a vote.",
         ("zoo", "panda", "sunday", "october")),
    )
)  # fmt: skip

_GREETING, _CLOSING = "dear|hi |hi,|hello|good morning", "regards|sincerely|thank|wishes|yours|best,|cheers"
EMAIL = tuple(
    Case(notes, (has(_GREETING, _CLOSING, *said), words(10, 250), goes_on, apart_from_examples(notes)))
    for notes, said in (
        ("to Ms Clark: cannot come to the meeting on Tuesday, ask for Thursday at 10",
         ("clark", "tuesday", "thursday", "10")),
        ("to the landlord, Mr Webb: the heating in flat 12 has not worked since Monday, please send somebody",
         ("webb", "heating", "monday")),
        ("to the team: the report is due on Friday, send me your figures by Wednesday noon",
         ("report", "friday", "wednesday")),
        ("to Professor Lee: ask to hand in the essay two days later because of illness",
         ("lee", "essay", "two days|2 days", "ill|sick|health")),
        ("to a customer, Anna: her order 5512 was sent today and arrives in three days",
         ("anna", "5512", "three days|3 days")),
        ("to Tom: thank you for the dinner on Sunday, the soup was excellent", ("tom", "dinner", "sunday", "soup")),
        ("to the library: book 'Moby Dick' was lost, ask what it costs to replace",
         ("moby dick", "lost", "cost|price|pay|fee")),
        ("to Human Resources: ask how many days of holiday are left this year", ("holiday|vacation", "days", "year")),
        ("to all: the office is closed on 24 December, urgent calls to Petra", ("closed", "24|december", "petra")),
        ("to Dr Shah: confirm the appointment on 8 March at 9:30 and ask whether to bring earlier X-rays",
         ("shah", "8 march|march 8|8th", "9:30", "x-ray")),
    )
)  # fmt: skip

TRANSLATE = tuple(
    Case(text, (written_in(language), has(*said), other_than(text)), {"to": language})
    for language, text, said in (
        ("French", "The cat sleeps on the table.", ("chat", "table", "dort")),
        ("French", "I would like a glass of water, please.", ("eau", "verre", "voudrais|aimerais")),
        ("French", "Where is the train station?", ("où", "gare")),
        ("Spanish", "My sister lives in a big house.", ("hermana", "casa", "vive")),
        ("Spanish", "We eat bread and cheese every morning.", ("pan", "queso", "mañana")),
        ("Spanish", "The book is on the chair.", ("libro", "silla")),
        ("German", "The weather is very good today.", ("wetter", "heute", "gut|schön")),
        ("German", "I have two brothers and a dog.", ("zwei", "brüder", "hund")),
        ("Italian", "The children play in the garden.", ("bambini|ragazzi", "giardino", "gioc")),
        ("Italian", "Tomorrow we go to the sea.", ("domani", "mare")),
    )
)

QA = tuple(
    Case(PASSAGES[place], (has(answer), words(1, 40)), {"question": question})
    for place, question, answer in (
        (0, "When will the library close?", "3 june|june 3"),
        (1, "Why have farmers begun to rent hives?", "bees has fallen|fewer bees|number of bees|pesticide"),
        (2, "In which country is the new factory?", "poland"),
        (3, "Where was Marie Curie born?", "warsaw"),
        (4, "How many patients took part in the trial?", "240"),
        (5, "Why was the train cancelled?", "storm|tree"),
        (6, "Where was coffee first grown?", "ethiopia"),
        (7, "Which students were the most satisfied?", "cycl"),
        (8, "How many people were brought to safety?", "two thousand|2,000|2000"),
        (9, "How long did people sleep after learning the list?", "eight|8"),
    )
)

EXPLAIN = tuple(
    Case(text, (has(*said), words(12, 140), goes_on))
    for text, said in (
        ("ZeroDivisionError: division by zero", ("zero", "divid|divis", "cannot|not|undefined|impossible|can't")),
        ("NameError: name 'pandsa' is not defined", ("pandsa", "variable|import|spell|typo|exist|module|declared")),
        ("KeyError: 'price'", ("price", "key|column|dictionary")),
        ("total = sum(x * x for x in values)", ("square", "sum|add|total")),
        ("df.groupby('city')['rent'].mean()", ("average|mean", "city|cities", "rent")),
        ("The p-value is 0.03.", ("probab|chance|signific|likel|evidence", "0.03|3%|3 per|0.05|null")),
        ("standard deviation", ("spread|variab|vari|dispers|deviat", "mean|average")),
        ("Correlation does not imply causation.", ("cause|causal|causation", "two|relat|variable|event|thing")),
        ("IndexError: list index out of range", ("index", "list", "length|long|exist|range|element|item")),
        ("overfitting", ("model", "data", "noise|training|new|general|complex")),
    )
)

REWRITE = tuple(
    Case(
        text,
        (
            *(has(*said), without(*faults), other_than(text), is_whole),
            words(len(text.split()) // 2, 2 * len(text.split()) + 6),
        ),
    )
    for text, said, faults in (
        ("me and him goes to the office on monday",
         ("he and|and he|him|both|we ", "office", "monday"), ("him goes", "he goes", "me and him")),
        ("the results is good, we was happy", ("results", "are|were|good|happy|pleased"), ("results is", "we was")),
        ("pls send me the file asap, i need it for tommorow",
         ("please|could|would", "file", "tomorrow"), ("pls", "tommor")),
        ("i dont know why it dont work", ("do not|don't|not", "work|function"), ("dont", "it don't", "it do not")),
        ("We need to discuss the matter of the budget at a meeting which we should hold in the near future.",
         ("budget", "meet|discuss"), ("the matter of the budget at a meeting which",)),
        ("there is alot of errors in you're report",
         ("errors|mistakes", "report"), ("there is a", "alot", "you're report")),
        ("can u tell me when does the train leaves",
         ("when|time", "train"), (" u ", "does the train leaves", "can't", "cannot")),
        ("the experiment it failed because of the machine was broken",
         ("experiment", "fail|unsuccess", "machine|equipment"), ("experiment it", "because of the machine was")),
        ("she have went to paris last year and liked it alot",
         ("paris", "last year", "liked|enjoy|lov"), ("have went", "has went", "alot", "have gone", "has gone")),
        ("your order is late cause we aint got no more boxes",
         ("order", "late|delay", "box"), (" cause ", "aint", "ain't", "got no more")),
    )
)  # fmt: skip

CASES: dict[str, tuple[Case, ...]] = {
    "summarize": SUMMARIZE,
    "generate": GENERATE,
    "news": NEWS,
    "email": EMAIL,
    "translate": TRANSLATE,
    "qa": QA,
    "explain": EXPLAIN,
    "rewrite": REWRITE,
    "title": TITLE,
    "bullets": BULLETS,
}
