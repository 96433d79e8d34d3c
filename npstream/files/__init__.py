"""Survey responses in files: CSV, spreadsheets, JSON Lines, a JSON array, or one vendor's payload, gzipped or not, or stdin.

- `opening` opens one, and knows its form; `text` unpacks and decodes it.
- `json_text` reads JSON as it stands. What is in it is judged by the intake, unless a mapping is applied.
- `csv_table` and `spreadsheet` read rows of cells. `columns` and `looks` tell which column is which field, `dates` how dates
  are written; `plan` says all of it. `rows` and `responses` make canonical responses, or say why a row is none.
"""

from npstream.files.labels import Labels
from npstream.files.opening import STDIN, Input, opened
from npstream.files.plan import Plan
from npstream.files.row import Row

__all__ = ["STDIN", "Input", "Labels", "Plan", "Row", "opened"]
