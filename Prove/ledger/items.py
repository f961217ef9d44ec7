"""Items as they follow from their id and the number of their version, and back."""

import csv
import io
import json
import re
import xml.etree.ElementTree as tree
import zipfile

FIELDS = [
    {"name": "n", "type": "integer", "required": True, "indexed": True},
    {"name": "text", "type": "text"},
    {"name": "done", "type": "boolean"},
    {"name": "tags", "type": "tags"},
]
DEFINITION = {"fields": FIELDS}


def item(id, version):
    """The body of a version of an item, without its id."""
    return {
        "n": version,
        "text": 'v%d of %s, "quoted"\nsecond line ü %s' % (version, id, "x" * (version * 7 % 120)),
        "done": version % 2 == 0,
        "tags": ["t%d" % (version % 5), "a|b\\c"] if version % 3 else [],
    }


def ndjson(id, version):
    return json.dumps({"id": id, **item(id, version)}).encode() + b"\n"


def csv_line(id, version):
    row = item(id, version)
    tags = "|".join(tag.replace("\\", "\\\\").replace("|", "\\|") for tag in row["tags"])
    out = io.StringIO()
    csv.writer(out).writerow([id, row["n"], row["text"], "true" if row["done"] else "false", tags])
    return out.getvalue().encode()


CSV_HEADER = b"id,n,text,done,tags\r\n"


class WrongBytes(Exception):
    pass


def read_item(body):
    """The version of an item as the server shows it."""
    version = body.get("n")
    expected = {key: value for key, value in item(body["id"], version).items() if value != []}
    shown = {key: value for key, value in body.items() if key != "id" and value is not None and value != []}
    if shown != expected:
        raise WrongBytes("item %s is %r, not %r" % (body["id"], shown, expected))
    return version


def read_export(form, data):
    """Versions by id of an export's file, in its order."""
    if form == "ndjson":
        rows = [json.loads(line) for line in data.decode().split("\n")[:-1]]
    elif form == "json":
        rows = json.loads(data)
    elif form == "csv":
        rows = _csv_rows(data)
    else:
        rows = _sheet_rows(data)
    versions = {}
    last = b""
    for row in rows:
        id = row["id"]
        if not last < id.encode():
            raise WrongBytes("%s does not come after %s" % (id, last))
        last = id.encode()
        versions[id] = read_item(row)
    return versions


def _csv_rows(data):
    table = list(csv.reader(io.StringIO(data.decode(), newline="")))
    if table[0] != ["id", "n", "text", "done", "tags"]:
        raise WrongBytes("the header is %r" % (table[0],))
    return [_row(line) for line in table[1:]]


def _row(cells):
    if len(cells) != 5:
        raise WrongBytes("a row has %d cells: %r" % (len(cells), cells))
    id, n, text, done, tags = cells
    return {
        "id": id, "n": int(n), "text": text, "done": done in ("true", "1"),
        "tags": [re.sub(r"\\(.)", r"\1", tag) for tag in re.split(r"(?<!\\)\|", tags)] if tags else [],
    }


def _sheet_rows(data):
    names = {"m": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        sheet = tree.fromstring(file.read("xl/worksheets/sheet1.xml"))
    rows = []
    for row in sheet.findall(".//m:sheetData/m:row", names)[1:]:
        cells = {}
        for cell in row.findall("m:c", names):
            text = "".join(part.text or "" for part in cell.iter() if part.tag.endswith("}t") or part.tag.endswith("}v"))
            cells[re.match(r"[A-Z]+", cell.get("r")).group()] = text
        rows.append(_row([cells.get(column, "") for column in "ABCDE"]))
    return rows
