from rich.console import Console

from ml_platform.provenance.trace import Trace
from ml_platform.provenance.trace_text import summary_of, tree_of
from ml_platform_tests.provenance.scenario import World


def text(trace: Trace) -> str:
    console = Console(width=150, force_terminal=False)
    with console.capture() as capture:
        console.print(tree_of(trace), summary_of(trace), sep="\n")
    return capture.get()


def test_each_step_is_told_in_full_once_and_by_its_number_after_that(built: World) -> None:
    told = text(built.ask("toy/delay_model", "2013-02-01"))
    assert told.count("toy/clean  4 partitions") == 2
    assert told.count("values_are_positive (rows in 16)") == 1
    assert "see [" in told


def test_a_reader_sees_what_was_used_and_whether_it_stands(built: World) -> None:
    told = text(built.ask("toy/predictions", "2013-02-02", row={"sensor": "b"}))
    for said in ("probability=0.6", "gate approved", "better by 0.1", "the stored bytes have the recorded hash"):
        assert said in told
    assert "nothing has changed since; nothing is degraded; no check failed." in told


def test_what_changed_is_told_at_its_step_and_in_the_last_line(world: World) -> None:
    world.land("2013-02-02", value=7)
    told = text(world.ask("toy/predictions", "2013-02-02"))
    assert "changed since: 1: 2013-02-02" in told
    assert "1 changed since;" in told
