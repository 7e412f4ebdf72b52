"""What stands where in the tables to import, known from the names of their columns before any row is read."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rafce.errors import LabelError, raise_all
from rafce.imports import fex, libreface, openface, table
from rafce.imports.emotion_rules import EmotionRules, affectnet_note, emotion_rules
from rafce.imports.emotions import EMOTION, KEYS, Emotions, read_emotions
from rafce.imports.files import TableFile, find_files, fingerprint, open_table
from rafce.imports.options import ImportOptions
from rafce.imports.partitions import PARTITION, check_partition_columns, own_partition
from rafce.imports.source import AuColumn, Source, au_columns, listed
from rafce.imports.unknown_codes import UnknownCodes, unknown_codes

SOURCES: Mapping[str, Source] = {
    "openface": openface.SOURCE,
    "fex": fex.SOURCE,
    "libreface": libreface.SOURCE,
    "table": table.SOURCE,
}
GROUP, VIDEO = "group", "video"
FILE_STEM = ""  # in place of a column: the name of the file without its suffix


class Layout(NamedTuple):
    """The columns of one table: what each AU is read from, and the column of each role and of each key.

    Roles are image, frame, success, confidence, emotion, group and partition; those that a table has.
    """

    table: TableFile
    aus: tuple[AuColumn, ...]
    roles: Mapping[str, str]
    keys: Mapping[str, str]

    @property
    def columns(self) -> list[str]:
        """Every column that is read."""
        names = [*self.roles.values(), *self.keys.values(), *(meaning.column for meaning in self.aus)]
        return list(dict.fromkeys(name for name in names if name != FILE_STEM))


class Plan(NamedTuple):
    """Tables to read, the AUs that any of them codes, and the emotions file if there is one.

    `roles` is what is known of each row, from its table or the emotions file; `prints` has the fingerprint of each file
    beside the tables; `rules` say what counts as an emotion, `unknown` which codes as no AU; `notes` are to be said.
    """

    layouts: tuple[Layout, ...]
    aus: tuple[int, ...]
    emotions: Emotions | None
    roles: frozenset[str]
    prints: Mapping[str, dict[str, Any]]
    rules: EmotionRules
    unknown: UnknownCodes
    notes: tuple[str, ...]


def make_plan(options: ImportOptions) -> Plan:
    """Find and open all files, and read the emotions file; RafceError: files or columns that are missing or unfit."""
    paths = find_files(options.inputs, leave_out=(options.emotions, options.lab))
    tables = [open_table(path) for path in paths]
    columns = [table.columns for table in tables]
    rules = emotion_rules(options, columns)
    unknown = unknown_codes(SOURCES[options.source].unknown, options.unknown)
    beside = {"emotions": options.emotions, "lab": options.lab}
    prints = {role: fingerprint(path) for role, path in beside.items() if path is not None}
    file = None if options.emotions is None else open_table(options.emotions)
    layouts = tuple(_layout(found, options, file) for found in tables)
    _check_alike(layouts)
    _check_meanings(layouts)
    if file is not None:
        _check_keys(layouts, file)
    notes = (check_partition_columns(tables, file, options), affectnet_note(columns, options))
    told = {} if file is None else _told(file, options)
    emotions = None if file is None else _emotions(file, layouts[0], told, rules, options)
    aus = sorted({meaning.au for layout in layouts for meaning in layout.aus})
    roles = frozenset(layouts[0].roles) | frozenset(told)
    said = tuple(note for note in notes if note)
    return Plan(layouts, tuple(aus), emotions, roles, prints, rules, unknown, said)


def _emotions(
    file: TableFile, layout: Layout, told: Mapping[str, str], rules: EmotionRules, options: ImportOptions
) -> Emotions:
    keep_folders, drops = options.keep_folders, options.drops_unlabelled
    return read_emotions(file, list(layout.keys), told, rules, keep_folders, drops)


def _layout(found: TableFile, options: ImportOptions, emotions: TableFile | None) -> Layout:
    source, names = SOURCES[options.source], found.columns
    image = options.image_column or source.image
    wanted = {
        "image": image,
        "frame": source.frame,
        "success": source.success,
        PARTITION: own_partition(names, options),
    }
    roles = {role: name for role, name in wanted.items() if name is not None and name in names}
    keys = {} if emotions is None else _keys(found, roles, emotions)
    roles |= _asked_for(found, options, emotions)
    return Layout(found, tuple(au_columns(source, names, options, found.path)), roles, keys)


def _asked_for(found: TableFile, options: ImportOptions, emotions: TableFile | None) -> dict[str, str]:
    """The columns that options name; LabelError: they are not there, or nothing says the emotion of a row."""
    names, other = found.columns, () if emotions is None else emotions.columns
    roles: dict[str, str] = {}
    if options.image_column is not None:
        roles["image"] = _present(found, options.image_column, "--image-column")
    if options.min_confidence is not None:
        roles["confidence"] = _present(found, SOURCES[options.source].confidence, "--min-confidence")
    if emotions is None:
        roles[EMOTION] = _emotion_column(found, options)
    group = options.group_column
    if group is not None and group not in other:
        roles[GROUP] = (
            FILE_STEM if group == VIDEO and group not in names else _present(found, group, "--group-column")
        )
    elif group is not None and group in names:
        roles[GROUP] = group
    return roles


def _emotion_column(found: TableFile, options: ImportOptions) -> str:
    if options.emotion_column is not None:
        return _present(found, options.emotion_column, "--emotion-column")
    if EMOTION not in found.columns:
        raise LabelError(
            f"{found.path}: expected a column {EMOTION}, --emotion-column NAME or --emotions FILE, found none: "
            "what a program predicts is never taken for a label"
        )
    return EMOTION


def _present(found: TableFile, name: str, option: str) -> str:
    if name not in found.columns:
        raise LabelError(f"{found.path}: expected a column {name} ({option}), found {listed(found.columns)}")
    return name


def _keys(found: TableFile, roles: Mapping[str, str], emotions: TableFile) -> dict[str, str]:
    """The columns that both files share, by the name of the emotions file; LabelError: none.

    The frame may be called otherwise by the program, a video is named by its file where its table does not say, and
    images may stand in a column of another name where nothing else is shared.
    """
    own = {name: name for name in KEYS if name in found.columns}
    if "frame" in roles:
        own["frame"] = roles["frame"]
    if not {"image", "input"} & own.keys() & set(emotions.columns):
        own.setdefault(VIDEO, FILE_STEM)
    keys = {name: own[name] for name in KEYS if name in own and name in emotions.columns}
    if not keys and "image" in roles and "image" in emotions.columns:
        keys = {"image": roles["image"]}
    if not keys:
        raise LabelError(
            f"{emotions.path}: expected one of the columns {', '.join(KEYS)} that {found.path} has too, "
            f"found {listed(emotions.columns)}"
        )
    return keys


def _told(emotions: TableFile, options: ImportOptions) -> dict[str, str]:
    """The columns of the emotions file that say something of a row, by their role."""
    if EMOTION not in emotions.columns:
        raise LabelError(f"{emotions.path}: expected a column {EMOTION}, found {listed(emotions.columns)}")
    wanted = {
        EMOTION: EMOTION,
        "image": "image",
        PARTITION: own_partition(emotions.columns, options),
        GROUP: options.group_column,
    }
    return {role: name for role, name in wanted.items() if name is not None and name in emotions.columns}


def _check_meanings(layouts: Sequence[Layout]) -> None:
    """LabelError for an AU that is active by other rules in one table than in another: they would be compared."""
    first: dict[int, tuple[AuColumn, TableFile]] = {}
    faults = []
    for layout in layouts:
        for meaning in layout.aus:
            earlier, where = first.setdefault(meaning.au, (meaning, layout.table))
            if meaning[2:] != earlier[2:]:
                faults.append(
                    f"{layout.table.path}: expected AU {meaning.au} as {earlier.column} ({earlier.expected}) like in "
                    f"{where.path}, found {meaning.column} ({meaning.expected}); --au-threshold takes intensities alone"
                )
    raise_all(faults)


def _check_keys(layouts: Sequence[Layout], emotions: TableFile) -> None:
    """LabelError for tables joined on different columns, and for frames that could be of any of several tables."""
    first = layouts[0]
    raise_all(
        [
            f"{layout.table.path}: expected the columns {', '.join(first.keys)} that {emotions.path} has too, as in "
            f"{first.table.path}, found {', '.join(layout.keys)}"
            for layout in layouts
            if layout.keys.keys() != first.keys.keys()
        ]
    )
    if list(first.keys) == ["frame"] and len(layouts) > 1:
        raise LabelError(
            f"{emotions.path}: expected a column beside frame that tells the {len(layouts)} tables apart, such as "
            f"{VIDEO}, found {listed(emotions.columns)}"
        )


def _check_alike(layouts: Sequence[Layout]) -> None:
    """LabelError for tables that lack a column that others have; AUs may differ."""
    roles = {role: layout for layout in reversed(layouts) for role in (*layout.roles, *layout.keys)}
    raise_all(
        [
            f"{layout.table.path}: expected a column for the {role} as in {having.table.path}, found none"
            for layout in layouts
            for role, having in roles.items()
            if role not in layout.roles and role not in layout.keys
        ]
    )
