"""Where things lie. `--work` puts WORK elsewhere."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
WORK = ROOT / ".build" / "bench"
BINARY = Path(os.environ.get("WAYBILL_BINARY", ROOT / ".build" / "release" / "waybill"))
