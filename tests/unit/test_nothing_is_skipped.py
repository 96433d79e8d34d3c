"""In continuous integration a skipped test is a failed one; elsewhere a skip is a skip."""

import pytest

PLUGINS = ("-p", "no:asyncio", "-p", "no:cacheprovider")
"""What the inner runs do without."""

SKIPS = {
    "a test that skips itself": "import pytest\ndef test_it():\n    pytest.skip('no broker')\n",
    "a marked test": "import pytest\n@pytest.mark.skip(reason='later')\ndef test_it():\n    pass\n",
    "a fixture that skips": "import pytest\n@pytest.fixture\ndef b():\n    pytest.skip('none')\ndef test_it(b):\n    pass\n",
    "an expected failure": "import pytest\n@pytest.mark.xfail\ndef test_it():\n    raise ValueError\n",
    "a module that skips itself": "import pytest\npytest.skip('not here', allow_module_level=True)\n",
}


@pytest.mark.parametrize("source", SKIPS.values(), ids=SKIPS.keys())
@pytest.mark.parametrize(("ci", "ends_well"), [("true", False), ("1", False), ("", True), ("false", True)])
def test_a_skip_fails_the_run_in_ci_only(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, source: str, ci: str, ends_well: bool
) -> None:
    monkeypatch.setenv("CI", ci)
    pytester.makeconftest("from tests.ci import pytest_make_collect_report, pytest_runtest_makereport\n")
    pytester.makepyfile(source)
    passes = pytester.makepyfile(test_other="def test_passes():\n    pass\n")
    result = pytester.runpytest_inprocess(*PLUGINS, pytester.path, passes)
    assert (result.ret == pytest.ExitCode.OK) is ends_well
    assert bool({"failed", "errors"} & result.parseoutcomes().keys()) is not ends_well


def test_a_run_without_skips_passes_in_ci(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    pytester.makeconftest("from tests.ci import pytest_make_collect_report, pytest_runtest_makereport\n")
    pytester.makepyfile("def test_passes():\n    pass\n")
    assert pytester.runpytest_inprocess(*PLUGINS).ret == pytest.ExitCode.OK
