"""The meaning of a search's words where all documents are internships."""

from typing import Final

from chassis.search.query_segmentation import ImpliedFilter, QueryGrammar
from chassis.search.text_analysis import fold_text

REMOTE_TERM, HYBRID_TERM, ON_SITE_TERM = "%remote", "%hybrid", "%on-site"
PAID_TERM, UNPAID_TERM = "%paid", "%unpaid"

_ORDINARY: Final = """
summer sommerpraktikum sommerpraktika internship internships intern interns internee trainee traineeship job jobs position positions vacancy vacancies
opening openings opportunity opportunities role roles work placement placements apprenticeship student students
praktikum praktika praktikant praktikantin praktikanten praktikumsplatz werkstudent werkstudentin stelle stellen
stage stages stagiaire stagiaires alternance tirocinio tirocini stagista praktyki praktyka staz
pasantia pasantias practicas becario becaria estagio estagios estagiario estagiaria
stageplaats stagiair praktik praktikplats harjoittelu staj stajyer gyakornok
стажировка стажировки стажер практика вакансия вакансии работа стажування
تدريب متدرب وظيفة وظائف
इंटर्नशिप इंटर्न प्रशिक्षु नौकरी नौकरियां
インターン インターンシップ 求人 仕事 实习 实习生 實習 實習生 工作 招聘 职位
ฝึกงาน นักศึกษาฝึกงาน งานฝึกงาน 인턴 인턴십 인턴쉽 채용
"""
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
        "paid|with pay|bezahlt|bezahlte|bezahltes|vergütet|rémunéré|remunerado|remunerada|оплачиваемая|有給|有薪",
    ),
    (
        ImpliedFilter("paid", "false", UNPAID_TERM),
        "unpaid|without pay|unbezahlt|unbezahlte|non rémunéré|no remunerado|voluntary|неоплачиваемая|無給",
    ),
)
_PLAIN: Final = (
    "remote sensing|hybrid vehicle|hybrid vehicles|hybrid cloud|paid media|paid search|paid social"
)

LISTING_GRAMMAR: Final = QueryGrammar(
    uninformative_words=frozenset(fold_text(word) for word in _ORDINARY.split()),
    phrases={fold_text(phrase): meaning for meaning, phrases in _MEANINGS for phrase in phrases.split("|")},
    literal_phrases=frozenset(_PLAIN.split("|")),
)
