"""The certificate's page in a browser: it prints on one sheet of paper."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support.erasures import asserted, destroyed, live_erased, scheduled

from vault.audit import certificate_html

# Nothing is fetched by the page; these keep the browser itself from asking for updates.
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--no-pdf-header-footer",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("make", [destroyed, asserted, scheduled, live_erased])
def test_the_page_prints_on_one_sheet(tmp_path: Path, make: object) -> None:
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("chromium is not here to print with (Debian: chromium)")
    assert callable(make)
    page, paper = tmp_path / "page.html", tmp_path / "page.pdf"
    page.write_text(certificate_html.render(make().build()))
    command = [browser, *FLAGS, f"--user-data-dir={tmp_path}/b", f"--print-to-pdf={paper}", page.as_uri()]
    subprocess.run(command, capture_output=True, check=True, timeout=120)
    assert re.findall(rb"/Count (\d+)", paper.read_bytes()) == [b"1"]
