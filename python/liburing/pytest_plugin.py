"""``pytest --uring-chaos=N``: every test N times, each with another seed of chaos."""

from __future__ import annotations

import pytest


def pytest_addoption(parser) -> None:
    group = parser.getgroup("liburing")
    group.addoption("--uring-chaos", type=int, metavar="N", default=0,
                    help="run each test with N seeds of liburing.chaos: its rings meet what io_uring allows")
    group.addoption("--uring-chaos-seed", type=int, metavar="SEED", default=1, help="the first of the seeds (1)")
    group.addoption("--uring-chaos-rule", action="append", metavar="RULE", help="a rule, as uring chaos has them")
    group.addoption("--uring-chaos-strict", action="store_true", help="everything that a program has to bear")


def pytest_generate_tests(metafunc) -> None:
    count = metafunc.config.getoption("--uring-chaos")
    if count > 0:
        first = metafunc.config.getoption("--uring-chaos-seed")
        metafunc.fixturenames.append("uring_chaos_seed")
        metafunc.parametrize("uring_chaos_seed", range(first, first + count), ids=lambda seed: f"seed{seed}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item, nextitem):
    """Around the whole test, so that the rings of its fixtures are struck as well."""
    seed = getattr(item, "callspec", None) and item.callspec.params.get("uring_chaos_seed")
    if seed is None:
        return (yield)
    from liburing import chaos

    config = item.config
    rules, strict = config.getoption("--uring-chaos-rule"), config.getoption("--uring-chaos-strict")
    with chaos(seed, rules, strict=strict) as struck:
        item.user_properties.append(("uring_chaos_seed", seed))
        item._uring_chaos = struck
        return (yield)


@pytest.fixture
def uring_chaos_seed(request):
    """The seed of chaos that the test runs with."""
    return request.param


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    struck = getattr(item, "_uring_chaos", None)
    if struck is not None and report.failed:
        lines = [f"seed {struck.seed}: {len(struck.decisions)} decisions"]
        lines += [f"ring {one.ring}, #{one.number}: {one.kind} {one.value} {one.about}" for one in struck.decisions[:20]]
        report.sections.append(("uring chaos", "\n".join(lines)))
    return report
