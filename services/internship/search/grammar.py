"""The meaning of a search's words where all documents are internships."""

from typing import Final

from chassis.search.quantity_words import QuantityUnit
from chassis.search.query_segmentation import ImpliedFilter, QueryGrammar
from chassis.search.text_analysis import fold_text

REMOTE_TERM, HYBRID_TERM, ON_SITE_TERM = "%remote", "%hybrid", "%on-site"
PAID_TERM, UNPAID_TERM = "%paid", "%unpaid"

FULL_TIME_TERM, PART_TIME_TERM = "%full-time", "%part-time"
WEEKS_PREFIX, HOURS_PREFIX = "%weeks-", "%hours-"

_ORDINARY: Final = """
internship internships intern interns internee interning trainee trainees traineeship traineeships job jobs position positions vacancy
vacancies opening openings opportunity opportunities role roles work placement placements apprentice apprenticeship coop extern externship
student students undergraduate undergraduates career careers hiring offer offers apply find search seeking wanted
asap immediately now soon next semester holiday holidays vacation
praktikum praktika praktikant praktikantin praktikanten praktikumsplatz praktikumsplatze praktikumsstelle praktikumsstellen
pflichtpraktikum ferienjob ferienpraktikum sommerjob sommerpraktikum sommerpraktika winterpraktikum auslandspraktikum
werkstudent werkstudentin werkstudenten werkstudierende werkstudententatigkeit studentenjob nebenjob stelle stellen volontariat
semesterferien sofort gesucht
stage stages stagiaire stagiaires alternance alternant alternante apprenti apprentie apprentissage emploi offre offres
tirocinio tirocini tirocinante tirocinanti stagista stagisti apprendistato lavoro praktyki praktyka praktykant praktykantka staz
stazysta stazystka praca
pasantia pasantias pasante pasantes practica practicas practicante practicantes becario becaria becarios empleo trabajo
estagio estagios estagiario estagiaria estagiarios vaga vagas emprego trabalho
stageplaats stageplek stageplaatsen stagiair stagiairs stagiaires bijbaan afstudeerstage vacature
praktik praktikplats praktikant sommarjobb harjoittelu harjoittelija harjoittelupaikka kesatyo
staj stajyer staji stajyeri stajlari gyakornok gyakornoki gyakorlat stagiu
стажировка стажировки стажировку стажер стажера практика практику практикант вакансия вакансии работа стажування
تدريب متدرب متدربة التدريب وظيفة وظائف
इंटर्नशिप इंटर्न प्रशिक्षु नौकरी नौकरियां
インターン インターンシップ 求人 仕事 募集 実習 実習生 研修 学生 生 实习 实习生 實習 實習生 工作 招聘 职位 岗位
ฝึกงาน นักศึกษาฝึกงาน งานฝึกงาน 인턴 인턴십 인턴쉽 채용 체험형
magang
"""
_ORDINARY_PHRASES: Final = (
    "co op|co ops|co operative education|working student|working students|work student|work placement|work experience"
    "|placement year|industrial placement|year in industry|sandwich year|gap year|student job|student jobs|summer job|summer jobs"
    "|internship program|internship programs|internship programme|internship programmes|graduate program|graduate programme"
    "|trainee program|trainee programme|vacation scheme|summer break|winter break|semester break|this year|next year"
    "|off cycle|no experience|without experience|entry level|any gender|all genders|per week|a week|pro woche|par semaine"
    "|por semana|immediate start|ab sofort|as soon as possible|right now|looking for|près de chez moi|in meiner nähe"
    "|thực tập|thực tập sinh|prácticas profesionales|praktikum im ausland|contrat pro|contrat d apprentissage"
)
_GENDER_LETTERS: Final = (
    "m w d|w m d|d m w|m d w|w d m|d w m|m w|w m|m f d|f m d|m f|f m|m f x|f m x|x f m|x m f|m x f|w m x|m w x|m w i|h f|f h|h f x"
    "|f h x|m v|v m|m v x|v m x|m w gn|w m gn|gn|m w divers|w m divers"
)
"""`(m/w/d)` and the like, which say that everybody is meant."""
_MEANINGS: Final = (
    (
        ImpliedFilter("workMode", "WORK_MODE_REMOTE", REMOTE_TERM),
        "remote|remotely|work from home|working from home|wfh|home office|homeoffice|home based|telework"
        "|telecommute|teletrabajo|télétravail|telearbeit|fernarbeit|remoto|remota|удаленно|удаленная|дистанционно"
        "|リモート|リモートワーク|在宅|远程|远程工作|عن بعد|दूरस्थ|재택",
    ),
    (
        ImpliedFilter("workMode", "WORK_MODE_HYBRID", HYBRID_TERM),
        "hybrid|hybride|híbrido|ハイブリッド|гибрид",
    ),
    (
        ImpliedFilter("workMode", "WORK_MODE_ON_SITE", ON_SITE_TERM),
        "on site|onsite|in office|in person|vor ort|präsenz|presencial|sur place|présentiel|офис",
    ),
    (
        ImpliedFilter("paid", "true", PAID_TERM),
        "paid|with pay|stipend|with stipend|salary|bezahlt|bezahlte|bezahltes|vergütet|rémunéré|remunerado|remunerada|оплачиваемая|有給|有薪",
    ),
    (
        ImpliedFilter("paid", "false", UNPAID_TERM),
        "unpaid|without pay|unbezahlt|unbezahlte|non rémunéré|no remunerado|voluntary|неоплачиваемая|無給",
    ),
    (
        ImpliedFilter("employment", "EMPLOYMENT_FULL_TIME", FULL_TIME_TERM),
        "full time|fulltime|vollzeit|temps plein|temps complet|à temps plein|tiempo completo|jornada completa|tempo pieno"
        "|tempo integral|voltijd|heltid|pełny etat|tam zamanlı|полный день|полная занятость|دوام كامل|全职|フルタイム",
    ),
    (
        ImpliedFilter("employment", "EMPLOYMENT_PART_TIME", PART_TIME_TERM),
        "part time|parttime|teilzeit|halbtags|temps partiel|à temps partiel|mi temps|tiempo parcial|medio tiempo|media jornada"
        "|tempo parziale|tempo parcial|meio período|deeltijd|deltid|pół etatu|yarı zamanlı|неполный день|частичная занятость"
        "|دوام جزئي|兼职|パートタイム",
    ),
)
_UNITS: Final = (
    (
        QuantityUnit("duration", WEEKS_PREFIX),
        "week weeks wk wks woche wochen wochige wochiges semaine semaines semana semanas settimana settimane tydzien tygodni tygodnie",
    ),
    (
        QuantityUnit("duration", WEEKS_PREFIX, 4, 4.5),
        "month months mo mos monat monate monaten monatige monatiges mois mes meses mese mesi maand maanden miesiac miesiace miesiecy"
        " месяц месяца месяцев",
    ),
    (
        QuantityUnit("duration", WEEKS_PREFIX, 50, 54),
        "year years jahr jahre an ans annee ano anos anno anni jaar",
    ),
    (
        QuantityUnit("hours", HOURS_PREFIX),
        "h hour hours hr hrs std stunde stunden heure heures hora horas ore uur час часа часов",
    ),
)
_PLAIN: Final = (
    "remote sensing|hybrid vehicle|hybrid vehicles|hybrid cloud|paid media|paid search|paid social|spring boot|spring framework"
    "|winter sports|summer school|work study|search engine|holiday resort|next js"
)

LISTING_GRAMMAR: Final = QueryGrammar(
    uninformative_words=frozenset(
        " ".join(map(fold_text, phrase.split()))
        for phrase in (*_ORDINARY.split(), *_ORDINARY_PHRASES.split("|"), *_GENDER_LETTERS.split("|"))
    ),
    phrases={fold_text(phrase): meaning for meaning, phrases in _MEANINGS for phrase in phrases.split("|")},
    literal_phrases=frozenset(_PLAIN.split("|")),
    units={fold_text(name): unit for unit, names in _UNITS for name in names.split()},
    start_filter="start",
)
