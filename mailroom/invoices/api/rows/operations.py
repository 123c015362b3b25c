"""What the routes about rows of files take and answer."""

from __future__ import annotations

from mailroom.invoices.api.rows.schemas import (
    MOST_CORRECTED_ROWS,
    CorrectionsFile,
    FileVersions,
    InvoiceSource,
    NewCorrections,
    RejectedRowPage,
    WrittenFile,
)
from mailroom.web.endpoints import PAGE, Operation, Parameter

LIST_REJECTS = Operation(
    "The rejected rows of an import, in the order of the file",
    {200: RejectedRowPage},
    parameters=PAGE,
    problems=(404,),
    text="A page has at most `limit` invoices, and fewer if they are long. An invoice of several rows has an item for "
    "each of them. Rows are kept for 30 days.",
)
REJECTS_FILE = Operation(
    "The file of the rejected rows",
    {200: {"text/csv": str}},
    problems=(404,),
    text="To correct and upload: the import names it in `rejects`. 404 `rejects.none` if there is none.",
)
CORRECT = Operation(
    "Correct rejected rows",
    {201: CorrectionsFile},
    body=NewCorrections,
    parameters=(
        Parameter(
            "Idempotency-Key",
            "A repeat with the same key and body writes nothing more, and gets the same answer.",
            where="header",
            required=True,
        ),
    ),
    problems=(404, 409),
    text=f"Writes the corrected rows as one new file beside the first. It is imported as any upload is: its rows are "
    f"newer than every file uploaded before, and a row that is still wrong is rejected again. At most "
    f"{MOST_CORRECTED_ROWS} rows at once.\n\nRows of one invoice are read together, and so are rows of added-up lines "
    "with the broken rows beside them. Those that you do not name come into the file as they are. So half an invoice "
    "is never imported as a whole one; `drop` leaves out a row that does not belong there.\n\n"
    "422 `correction.unknown_row` for a row that was not rejected, `correction.unknown_column` for a column that the "
    "file lacks, `correction.incomplete` for a row that needs all its values. 409 if the file would be read in another "
    "way than the first one was: its preset has changed or is gone.",
)
GET_SOURCE = Operation(
    "The row of a file that an invoice came from",
    {200: InvoiceSource},
    problems=(404,),
    text="404 `source.gone` when that version of the file, or its import, is there no more.",
)
LIST_VERSIONS = Operation(
    "The versions of the file of an import, with their imports", {200: FileVersions}, problems=(404,)
)
PUT_FILE = Operation(
    "Upload a file",
    {201: WrittenFile},
    body={"application/octet-stream": str},
    parameters=(
        Parameter("key", "The object's name, such as `acme/may.csv`.", required=True),
        Parameter("preset", "The preset to read it with. By default that of its folder."),
        Parameter("hold", "With `true`, it is imported only when somebody asks for it with `POST /imports`.", bool),
    ),
    text="The body is the file, up to 16 MiB; larger ones go straight to the bucket, with a form of `POST /uploads`. "
    "It is imported as any upload is.",
    streamed_body=True,
)
