"""The contract of the function `invoices`: what each route takes and answers."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from mailroom.invoices.api.export_formats import FORMATS
from mailroom.invoices.api.parameters import SORTS
from mailroom.invoices.api.schemas import (
    AcceptedImport,
    DeletedPreset,
    FilePreview,
    Import,
    ImportDetails,
    ImportPage,
    Invoice,
    InvoicePage,
    PresetPage,
    PresetVersions,
    State,
    StatusList,
    StoredPreset,
    TotalPage,
    Undo,
    UndoForecast,
    Upload,
)
from mailroom.invoices.presets.preset import Preset
from mailroom.invoices.views.totals import DIMENSIONS
from mailroom.web.endpoints import PAGE, Contract, Operation, Parameter
from mailroom.web.schemas import Date, Id, Time

MOST_BYTES = 5 << 30  # S3 takes no more in one upload

CONTRACT = Contract(
    "invoices",
    "Mailroom: invoices",
    "Invoices that were imported from CSV files, and the imports. Money is text (`1190.00`), a date is `2024-01-31`, a "
    "time is in UTC. Lists are in pages: give `nextCursor` as `cursor`. Which filters may stand together is said with "
    "each list; other combinations are refused with 422, for no index would serve them.\n\n"
    "Every answer has an `X-Call-Id`, under which the logs have more, and an `X-Request-Id`: the caller's own, if it "
    "sent one. Reads have an `ETag` and understand `If-None-Match`. Answers are compressed where gzip is accepted.",
    most_body_bytes=1 << 20,
)


class StartImport(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """The body of `POST /imports`. Without `versionId`, the newest version is imported.

    `preset` is the name of the preset to read it with. Without it, the object's metadata, or the folder, name one.
    """

    bucket: str
    key: str
    version_id: str = ""
    force: bool = False
    dry_run: bool = False
    preset: str = ""


class PreviewFile(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """The body of `POST /preview`. `preset` is the name of one, or a whole one that need not be stored."""

    bucket: str
    key: str
    version_id: str = ""
    preset: str | Preset = ""


class NewUpload(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """The body of `POST /uploads`. `keyPrefix` may be a folder, or the whole name of the object.

    What is uploaded with the form is read with `preset`, and its columns as `columns` maps them: header name to column.
    With `hold`, it is imported only when somebody asks for it with `POST /imports`.
    After the upload, the browser goes to `redirect`, a URL, which gets `bucket`, `key` and `etag` as parameters.
    """

    key_prefix: Annotated[str, Meta(max_length=500)] = ""
    max_bytes: Annotated[int, Meta(ge=1, le=MOST_BYTES)] = 100_000_000
    expires_seconds: Annotated[int, Meta(ge=1, le=604_800)] = 900
    preset: str = ""
    columns: dict[str, str | None] = {}
    hold: bool = False
    redirect: Annotated[str, Meta(max_length=2000)] = ""


class ChangeInvoice(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """The body of `PATCH /{id}`. A status is not empty, and has no control or invisible characters."""

    status: Annotated[str, Meta(min_length=1, max_length=50)]


_FILTERS = (
    Parameter("supplier", "The supplier's name; case and repeated spaces do not matter."),
    Parameter("status", "The status, to the letter."),
    Parameter("currency", "ISO 4217."),
    Parameter("invoiceNumber", "The number, to the letter."),
    Parameter("importId", "Created or changed by this import.", Id),
    Parameter("dateFrom", "`invoiceDate` on this day or later.", Date),
    Parameter("dateTo", "`invoiceDate` on this day or earlier.", Date),
    Parameter("updatedSince", "`updatedAt` at this time or later; give the offset (`Z`).", Time),
)
_SORT = Parameter(
    "sort",
    "`updatedAt` goes with `importId` and `updatedSince`, `invoiceDate` with the other filters, each with none.",
    Annotated[str, Meta(extra_json_schema={"enum": list(SORTS)})],
)
_COMBINATIONS = (
    "Filters that may stand together: `supplier` with `status` or with `invoiceNumber`; any one of `supplier`, "
    "`status`, `currency` and `invoiceNumber`; each of these with `dateFrom` and `dateTo`. Apart from them, "
    "`importId` and `updatedSince`, also together."
)

LIST_INVOICES = Operation(
    "A page of invoices",
    {200: InvoicePage},
    parameters=(*_FILTERS, _SORT, *PAGE),
    text=f"{_COMBINATIONS} Newest invoice date first, or with `importId` or `updatedSince` in the order of change.",
)
TOTALS = Operation(
    "Sums of invoices",
    {200: TotalPage},
    parameters=(
        Parameter(
            "by",
            f"What to group by: one or more of {', '.join(f'`{name}`' for name in DIMENSIONS)}, separated by commas; "
            "by default the currency alone. Different currencies are never added up, whatever is given.",
        ),
        *_FILTERS,
        *PAGE,
    ),
    text=_COMBINATIONS,
)
EXPORT = Operation(
    "All invoices of a filter as a file",
    {200: {media.partition(";")[0]: InvoicePage if name == "json" else str for name, (media, _) in FORMATS.items()}},
    parameters=(
        Parameter("format", "By default `csv`.", Annotated[str, Meta(extra_json_schema={"enum": list(FORMATS)})]),
        Parameter(
            "columns",
            "Of a CSV: `import` (the default) has the columns of an import. `all` adds `_derived`, `_lines` and "
            "`_extra`, each as JSON.",
            Annotated[str, Meta(extra_json_schema={"enum": ["import", "all"]})],
        ),
        *_FILTERS,
        _SORT,
        Parameter("cursor", "The `nextCursor` of the part before; with the same filters and sort."),
    ),
    text=f"{_COMBINATIONS}\n\nThe file is sent while it is read. A CSV has the columns of an import, so it can be "
    "uploaded again. Every cell is quoted; text that a spreadsheet would run as a formula gets an apostrophe in front, "
    "and the importer takes it off again.\n\nThe end says whether all is there. JSON and the last line of NDJSON have "
    "`nextCursor`: null, or where the next part begins. A CSV ends with an empty line, or with the line "
    "`nextCursor,…`; of its parts only the first has a header. A file with neither at its end was cut off: ask again.",
)
GET_INVOICE = Operation("One invoice, with its provenance", {200: Invoice}, problems=(404,))
LIST_STATUSES = Operation(
    "The statuses that an invoice may be given",
    {200: StatusList},
    text="Those of IMPORT_STATUSES and of the presets. Without any, every text is a status.",
)
CHANGE_INVOICE = Operation(
    "Change the status of an invoice",
    {200: Invoice},
    body=ChangeInvoice,
    parameters=(
        Parameter("If-Match", "The `ETag` of the invoice as it was read, or `*`.", where="header", required=True),
    ),
    problems=(404, 412, 428),
    text="412 when it has changed since it was read: read it again. The change counts as newer than every file that "
    "was uploaded before it; a file uploaded later may set the status anew.",
)
LIST_IMPORTS = Operation(
    "A page of imports, newest first",
    {200: ImportPage},
    parameters=(
        Parameter("bucket", "The bucket."),
        Parameter("key", "The object's name."),
        Parameter("versionId", "The object's version; needs `key`."),
        Parameter("state", "Where the import stands.", State),
        Parameter(
            "rejected", "With `true`, only those with rejected rows. Not with `key` or `state`.", Literal["true"]
        ),
        *PAGE,
    ),
    text="With `bucket` and `key`, and nothing found on the first page, `waitingFor` says why the object has no "
    "import: its event has not come, no worker looks for it, or there is no such object.",
)
GET_IMPORT = Operation("One import, with its progress, and what it waits for", {200: ImportDetails}, problems=(404,))
START_IMPORT = Operation(
    "Import an object of the bucket now",
    {202: AcceptedImport},
    body=StartImport,
    parameters=(
        Parameter(
            "Idempotency-Key",
            "With `force` or `dryRun`, a repeat with the same key and body gets the same import.",
            where="header",
        ),
    ),
    problems=(409,),
    text="The same version gives the same import, however often it is asked for. With `force` it is imported once "
    "more, and counts as newer than all that was imported until now. "
    "With `dryRun` nothing is written, but everything counted as if it were. A version that has an import already is "
    "read with another `preset` only with `force` or `dryRun`: otherwise the answer is 409 `import.preset`. A `held` "
    "import, of a file that was uploaded with `hold`, becomes due.",
)
RETRY = Operation(
    "Retry a failed or cancelled import", {202: AcceptedImport}, problems=(404, 409),
    text="It goes on where it stopped, with its dialect. To read the file anew with other settings, import it with "
    "`force`.",
)  # fmt: skip
CANCEL = Operation(
    "Cancel a pending, running or held import", {200: Import}, problems=(404, 409),
    text="Rows that were imported stay; those of the batch in flight may still come.",
)  # fmt: skip
UNDO = Operation(
    "Undo an import", {200: Undo, 202: Undo}, problems=(404, 409),
    text="Deletes the invoices that it inserted and nobody changed since. 202: call again for the rest.",
)  # fmt: skip
FORESEE_UNDO = Operation(
    "What an undo of an import would do now", {200: UndoForecast}, problems=(404, 409),
    text="How many invoices it would delete, and how many it would leave as they are. Nothing is changed.",
)  # fmt: skip
UPLOAD = Operation(
    "A form for an upload without credentials", {201: Upload}, body=NewUpload, body_required=False,
    text="In `key`, `${filename}` stands for the name of the file that is chosen: so a page without scripts can have "
    "the form.",
)  # fmt: skip
PREVIEW = Operation(
    "What an import would make of a file",
    {200: FilePreview},
    body=PreviewFile,
    text="Nothing is stored. Reads the beginning of the object: its dialect, its header, the first rows as they would "
    "be stored or why not, and what its columns are. Of a column whose name is not known, it suggests what it may be, "
    "by its name and its values. No import reads a file by a suggestion: put what is right into a preset. `missing` "
    "says what is still needed, `estimated` how many rows there may be.\n\nThe file is read in a process of its own: "
    "422 `preview.too_large`, `preview.too_slow` or `preview.failed` when it takes too much memory or time, or breaks "
    "it. 503 `stream.busy` when a replica makes two previews already.",
)
LIST_PRESETS = Operation("A page of the presets, by name", {200: PresetPage}, parameters=PAGE)
GET_PRESET = Operation(
    "A preset",
    {200: StoredPreset},
    parameters=(Parameter("version", "By default the newest.", int),),
    problems=(404,),
)
PUT_PRESET = Operation(
    "Make a preset, or a new version of it",
    {200: StoredPreset, 201: StoredPreset},
    body=Preset,
    problems=(409,),
    text="201 when there was none of this name. What is just like the newest version makes no new one. Imports that "
    "were begun go on with the version that they began with.\n\n`prefix` is a folder, or the beginning of the names of "
    'files: of the presets that fit a file, the one with the longest prefix is used. `""` stands for all files. '
    "Without a prefix, a preset is used only where it is named. 409 when another preset has the prefix.",
)
DELETE_PRESET = Operation(
    "End a preset",
    {200: DeletedPreset},
    problems=(404,),
    text="No file is read with it any more, but for imports that have begun. Its versions can still be read.",
)
LIST_PRESET_VERSIONS = Operation(
    "The versions of a preset, newest first", {200: PresetVersions}, parameters=PAGE, problems=(404,)
)
TEMPLATE = Operation("An empty file to fill in", {200: {"text/csv": str}})
