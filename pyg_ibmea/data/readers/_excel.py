"""Rows of the first sheet of an Excel file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from pyg_ibmea.data._boundary import check_bytes, open_regular, reading
from pyg_ibmea.data._cells import texts_of

EXCEL = (".xlsx", ".xlsm")


def excel_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Reads the rows that are not blank, as texts, with their numbers in the sheet.

    Of a formula, it is the value that was last computed. Cells to the right of those
    that the first row has are left out where they are empty.

    Args:
        path (Path): The file; its first sheet is read.

    Raises:
        ImportError: If openpyxl is not installed.
        ValueError: If it cannot be read, or a cell holds an error such as ``#REF!``;
            the message names the row.
    """
    try:
        from openpyxl import load_workbook
    except ImportError as error:
        raise ImportError(
            f'{path} needs openpyxl: pip install "pyg_ibmea[excel]"'
        ) from error
    with reading(path, "cannot be read as Excel"), open_regular(path) as file:
        try:
            with ZipFile(file) as parts:
                check_bytes(path, sum(part.file_size for part in parts.infolist()))
        except BadZipFile as error:
            raise ValueError(
                f"{path} is not an .xlsx file: {error}; save it as .xlsx or .csv"
            ) from error
        book = load_workbook(file, read_only=True, data_only=True)
        try:
            width = 0
            rows = book.worksheets[0].iter_rows()
            for number, cells in enumerate(rows, start=1):
                for cell in cells:
                    if cell.data_type == "e":
                        raise ValueError(
                            f"{path}, row {number}: a cell holds {cell.value}; "
                            "mend it, or clear it"
                        )
                where = f"{path}, row {number}"
                found = [texts_of([cell.value], where)[0] for cell in cells]
                fields = [text[0] if text else "" for text in found]
                while len(fields) > width and not fields[-1]:
                    fields.pop()
                if any(fields):
                    width = width or len(fields)
                    yield number, fields + [""] * (width - len(fields))
        finally:
            book.close()
