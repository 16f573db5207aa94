"""The registry: owners, look-up, and failed registrations, which leave it unchanged."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from interpzoo.errors import AmbiguousNameError, InputError, PluginError, UnknownNameError
from interpzoo.registry import Kind, Method, Owner, PretrainedModel, Registrar, Registration, Registry, Table

OURS = Owner("paper", "interpzoo", "0.1.0")
MINE = Owner("mine", "interpzoo-mine", "2.0")
YOURS = Owner("yours", "interpzoo-yours", "3.1")
JSON = {"decoder": "JSONDecoder", "encoder": "JSONEncoder"}


def add(registry: Registry, owner: Owner, *names: str, kind: Kind = "encoder") -> None:
    """Register the same class under each of `names`."""
    registrar = Registrar(owner)
    for name in names:
        registrar.add(kind, name, "json:JSONEncoder")
    registrar.commit(registry)


def models(*owners: Owner, name: str = "acai-mnist") -> Table[PretrainedModel]:
    """A table in which each of `owners`, in turn, registers a pretrained model of that name."""
    table: Table[PretrainedModel] = Table("model", first_party_wins=True)
    for owner in owners:
        table.add(Registration(name, owner, PretrainedModel(owner.plugin, "mnist", "cc0-1.0")))
    return table


def snapshot(registry: Registry) -> list[tuple[str, str]]:
    """Everything that is registered."""
    return [(table.kind, row.qualified) for table in registry.tables() for row in table]


def test_one_name_is_found_bare_and_qualified_and_imported_only_then() -> None:
    registry = Registry()
    add(registry, MINE, "json")
    row = registry.components["encoder"].find("json")
    assert row.owner == MINE
    assert row.qualified == "mine:json"
    assert registry.components["encoder"].find("mine:json") is row
    assert registry.resolve("encoder", "mine:json").__name__ == "JSONEncoder"


def test_a_name_of_another_kind_is_not_found() -> None:
    registry = Registry()
    add(registry, MINE, "json", kind="decoder")
    with pytest.raises(UnknownNameError, match="unknown encoder 'json'"):
        registry.resolve("encoder", "json")


def test_a_clash_names_both_distributions_and_how_to_choose() -> None:
    registry = Registry()
    registrar = Registrar(YOURS)
    registrar.add("encoder", "json", "json:JSONDecoder")
    add(registry, MINE, "json")
    registrar.commit(registry)
    with pytest.raises(AmbiguousNameError) as error:
        registry.resolve("encoder", "json")
    for part in ("interpzoo-mine 2.0", "interpzoo-yours 3.1", "'mine:json'", "'yours:json'", "encoder"):
        assert part in str(error.value)
    assert registry.resolve("encoder", "mine:json").__name__ == "JSONEncoder"
    assert registry.resolve("encoder", "yours:json").__name__ == "JSONDecoder"
    table = registry.components["encoder"]
    assert table.names() == ["mine:json", "yours:json"]
    assert [[row.owner for row in rows] for rows in table.clashes()] == [[MINE, YOURS]]


@pytest.mark.parametrize("order", [(OURS, MINE, YOURS), (YOURS, MINE, OURS)])
def test_our_names_of_models_cannot_be_taken_over(order: tuple[Owner, ...]) -> None:
    table = models(*order)
    assert table.find("acai-mnist").owner == OURS
    assert table.find("mine:acai-mnist").owner == MINE
    assert table.find("paper:acai-mnist").owner == OURS
    assert table.names() == ["acai-mnist", "mine:acai-mnist", "yours:acai-mnist"]
    assert len(table.clashes()) == 1


def test_names_of_models_of_others_clash() -> None:
    table = models(MINE, YOURS)
    with pytest.raises(AmbiguousNameError, match=r"interpzoo-mine.*interpzoo-yours"):
        table.find("acai-mnist")


def test_a_distribution_with_a_similar_name_cannot_take_our_names() -> None:
    pretender = Owner("paper2", "interpzoo_", "9")
    assert models(pretender, OURS).find("acai-mnist").owner == OURS


def test_other_names_of_ours_have_no_precedence() -> None:
    registry = Registry()
    add(registry, OURS, "conv")
    add(registry, MINE, "conv")
    with pytest.raises(AmbiguousNameError):
        registry.resolve("encoder", "conv")


@pytest.mark.parametrize(
    ("asked", "suggested"),
    [("acai-mnst", "'acai-mnist'"), ("mine:acai-mnits", "'mine:acai-mnist'"), ("min:acai-mnist", "'mine:acai-mnist'")],
)
def test_a_wrong_name_suggests_the_nearest(asked: str, suggested: str) -> None:
    with pytest.raises(UnknownNameError) as error:
        models(MINE).find(asked)
    assert repr(asked) in str(error.value)
    assert suggested in str(error.value)


def test_an_unrelated_name_gets_the_list_of_names() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown model 'zzzz'\. There are acai-mnist, mine:acai-mnist\.$"):
        models(MINE).find("zzzz")


@pytest.mark.parametrize("asked", ["", ":", "mine:", ":acai-mnist", "mine:mine:acai-mnist", "yours:acai-mnist"])
def test_other_spellings_are_unknown(asked: str) -> None:
    with pytest.raises(UnknownNameError):
        models(MINE).find(asked)


def test_names_match_shell_patterns_sorted() -> None:
    registry = Registry()
    add(registry, MINE, "b-lines", "a-mnist", "A-mnist", "b-mnist")
    table = registry.components["encoder"]
    assert table.names() == ["A-mnist", "a-mnist", "b-lines", "b-mnist"]
    assert table.names("*-mnist") == ["A-mnist", "a-mnist", "b-mnist"]
    assert table.names("[ab]-mnist") == ["a-mnist", "b-mnist"]
    assert table.names("c*") == []


@pytest.mark.parametrize("name", ["", "a b", "a/b", "a:b", ".a", "-a", "a\n", "ä", "a" * 97, "../a"])
def test_invalid_names(name: str) -> None:
    with pytest.raises(PluginError, match=r"^it registers the encoder .*: names are letters, digits"):
        Registrar(MINE).add("encoder", name, "json:JSONEncoder")


@pytest.mark.parametrize(
    "target", ["json", "json.JSONEncoder", "json:", ":x", "json:a.b", "json:x()", "a b:c", "json:x\n"]
)
def test_invalid_targets(target: str) -> None:
    with pytest.raises(PluginError, match=r"expected 'package\.module:Class"):
        Registrar(MINE).add("encoder", "x", target)


def test_an_unknown_kind_is_refused_with_the_known_ones() -> None:
    with pytest.raises(PluginError, match=r"'encoders': expected one of encoder, decoder, prior"):
        Registrar(MINE).add("encoders", "x", "json:JSONEncoder")


def test_a_model_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(InputError, match="kind = 'interpolater': expected 'interpolator' or 'features'"):
        PretrainedModel("ae", "lines", "cc0-1.0", kind="interpolater")  # pyright: ignore[reportArgumentType]


def test_nothing_is_registered_before_commit() -> None:
    registry = Registry()
    Registrar(MINE).add("encoder", "json", "json:JSONEncoder")
    assert snapshot(registry) == []


def test_a_name_twice_leaves_the_registry_as_it_was() -> None:
    registry = Registry()
    add(registry, YOURS, "a")
    before = snapshot(registry)
    registrar = Registrar(MINE)
    for name in ("x", "y", "x"):
        registrar.add("encoder", name, "json:JSONEncoder")
    with pytest.raises(PluginError, match=r"^it registers the encoder 'x' twice$"):
        registrar.commit(registry)
    assert snapshot(registry) == before


def test_one_name_can_be_registered_for_two_kinds() -> None:
    registry = Registry()
    registrar = Registrar(MINE)
    registrar.add("encoder", "json", "json:JSONEncoder")
    registrar.add("decoder", "json", "json:JSONDecoder")
    registrar.commit(registry)
    assert registry.resolve("decoder", "json").__name__ == "JSONDecoder"


def test_a_name_registered_earlier_by_the_same_plugin_leaves_the_registry_as_it_was() -> None:
    registry = Registry()
    add(registry, MINE, "taken")
    before = snapshot(registry)
    with pytest.raises(PluginError, match="twice"):
        add(registry, MINE, "new", "taken")
    assert snapshot(registry) == before


@pytest.mark.parametrize(
    ("target", "reason"),
    [("interpzoo_absent.x:Y", "interpzoo_absent"), ("json:Absent", "Absent"), ("raising_component:X", "out of luck")],
)
def test_a_class_that_cannot_be_imported_is_blamed_on_its_distribution(
    target: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "raising_component.py").write_text("raise ValueError('out of luck')\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry()
    registrar = Registrar(MINE)
    registrar.add("encoder", "x", target)
    registrar.commit(registry)
    with pytest.raises(PluginError) as error:
        registry.resolve("encoder", "x")
    for part in ("interpzoo-mine 2.0", "encoder 'x'", target, reason):
        assert part in str(error.value)


Package = Callable[[dict[str, str]], str]
NUMBERS = itertools.count()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    """Writes an import package of data files and gives its name."""

    def write(data: dict[str, str]) -> str:
        root = tmp_path / f"data_of_mine_{next(NUMBERS)}"  # a module is imported once
        for path, text in {"__init__.py": "", **data}.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        return root.name

    monkeypatch.syspath_prepend(tmp_path)
    return write


ZOO = """
[methods.mine]
title = "A Paper"
recipe = "mine-mnist"

[models.mine-mnist]
method = "mine"
dataset = "mnist"
license = "cc0-1.0"
"""


def test_a_package_registers_its_recipes_methods_and_models(package: Package) -> None:
    registry = Registry()
    files = {"recipes/mine-mnist.toml": "a = 1\n", "recipes/notes.txt": "", "zoo.toml": ZOO}
    registrar = Registrar(MINE)
    registrar.add_package(package(files))
    registrar.commit(registry)
    assert snapshot(registry) == [
        ("method", "mine:mine"),
        ("recipe", "mine:mine-mnist"),
        ("model", "mine:mine-mnist"),
    ]
    assert registry.methods.find("mine").entry == Method("A Paper", "mine-mnist")
    assert registry.recipes.find("mine-mnist").entry.read() == "a = 1\n"
    assert registry.models.find("mine-mnist").entry.license == "cc0-1.0"


def test_a_package_without_data_registers_nothing(package: Package) -> None:
    registry = Registry()
    registrar = Registrar(MINE)
    registrar.add_package(package({}))
    registrar.commit(registry)
    assert snapshot(registry) == []


@pytest.mark.parametrize(
    ("zoo", "reason"),
    [
        (
            "[models.a]\nmethod = 'm'\ndataset = 'd'\nlicense = 'l'\nkin = 3\n",
            "unknown field 'kin' Did you mean 'kind'?",
        ),
        ("[models.a]\nmethod = 'm'\n", "'a': field 'dataset' is missing; field 'license' is missing"),
        ("[methods.a]\nrecipe = 'r'\n", "'a': field 'title' is missing"),
        ("[methods]\na = 3\n", "'a': field 'title' is missing"),
        ("[methods.'a b']\ntitle = 't'\nrecipe = 'r'\n", "it registers the method 'a b': names are letters"),
        ("[model.a]\nmethod = 'm'\n", "zoo.toml has 'model' = {'a': {'method': 'm'}}, expected tables [methods.NAME]"),
        ("models = 3\n", "zoo.toml has 'models' = 3, expected tables [methods.NAME], [models.NAME] and [renamed]"),
    ],
)
def test_faults_of_zoo_toml_say_what_was_expected(package: Package, zoo: str, reason: str) -> None:
    with pytest.raises(PluginError) as error:
        Registrar(MINE).add_package(package({"zoo.toml": zoo}))
    assert reason in str(error.value)
