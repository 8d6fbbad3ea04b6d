"""People say of pairs whether they are the same: questions, a page, a table.

``pyg-ibmea review RUN`` puts them together; see ``docs/review.md``.
"""

from pyg_ibmea.review.entity_view import EntityView
from pyg_ibmea.review.server import ReviewServer
from pyg_ibmea.review.session import Progress, Session, StaleQuestionError
from pyg_ibmea.review.table import read_question_table, write_question_table

__all__ = [
    "EntityView",
    "Progress",
    "ReviewServer",
    "Session",
    "StaleQuestionError",
    "read_question_table",
    "write_question_table",
]
