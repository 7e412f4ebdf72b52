"""What stands where in the tables to import, known from the names of their columns before any row is read."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from rafce.errors import LabelError, raise_all
from rafce.imports import fex, libreface, openface, table
from rafce.imports.emotion_rules import EmotionRules, affectnet_note, emotion_rules
from rafce.imports.emotions import EMOTION, KEYS, Emotions, read_emotions
from rafce.imports.files import TableFile, examined, find_files, fingerprint, open_table
from rafce.imports.naming import Naming
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
MOST_NAMED = 20
IMAGE, INPUT = "image", "input"  # the latter as py-feat calls the file that it read: an image or a video
FILE_STEM = (
    ""  # in place of a column: the video of each row, which is the name of the file where no column says it
)


class Layout(NamedTuple):
    """The columns of one table: what each AU is read from, and the column of each role and of each key.

    Roles are image, frame, success, confidence, emotion, group and partition; those that a table has. `video` is the
    column that names the video of each row, if there is one; `names_videos` says that the image's column may do so too.
    """

    table: TableFile
    aus: tuple[AuColumn, ...]
    roles: Mapping[str, str]
    keys: Mapping[str, str]
    video: str | None = None
    names_videos: bool = False

    @property
    def columns(self) -> list[str]:
        """Every column that is read."""
        names = [*self.roles.values(), *self.keys.values(), self.video, *(of_au.column for of_au in self.aus)]
        return list(dict.fromkeys(name for name in names if name))

    @property
    def whole(self) -> list[str]:
        """The columns that hold whole numbers."""
        return [name for role, name in self.roles.items() if role == "frame"]

    @property
    def numbers(self) -> list[str]:
        """The columns that hold numbers, whole or not."""
        roles = (self.roles.get(role) for role in ("frame", "success", "confidence"))
        return [*dict.fromkeys([*filter(None, roles), *(of_au.column for of_au in self.aus)])]

    @property
    def is_one_image(self) -> bool:
        """Whether the whole table is of one image, which is called after the file (OpenFace's FaceLandmarkImg)."""
        return self.video is None and not {IMAGE, "frame"} & self.roles.keys()


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
    naming: Naming
    rules: EmotionRules
    unknown: UnknownCodes
    notes: tuple[str, ...]


def make_plan(options: ImportOptions) -> Plan:
    """Find and open all files, and read the emotions file; RafceError: files or columns that are missing or unfit."""
    paths = find_files(options.inputs, leave_out=(options.emotions, options.lab))
    tables = [open_table(path) for path in paths]
    rules = emotion_rules(options, tables)
    unknown = unknown_codes(SOURCES[options.source].unknown, options.unknown)
    prints = {} if options.lab is None else {"lab": fingerprint(options.lab)}
    file = None
    if options.emotions is not None:
        file, prints["emotions"] = examined(open_table(options.emotions))
    layouts = _layouts(tables, options, file)
    naming = replace(Naming.of(options), by_stem=layouts[0].keys.get(IMAGE) == FILE_STEM)
    notes = (
        check_partition_columns(tables, file, options),
        affectnet_note(options, tables),
        _unread_note(tables, options),
    )
    told = {} if file is None else _told(file, options)
    keys, may_miss = list(layouts[0].keys), options.drops_unlabelled
    emotions = None if file is None else read_emotions(file, keys, told, naming, rules, may_miss)
    if file is not None and emotions is not None and emotions.has_decimal_comma:
        prints["emotions"]["dialect"] = file.dialect.in_words(has_decimal_comma=True)
    aus = sorted({meaning.au for layout in layouts for meaning in layout.aus})
    roles = frozenset(layouts[0].roles) | frozenset(told)
    said = tuple(filter(None, notes))
    return Plan(layouts, tuple(aus), emotions, roles, prints, naming, rules, unknown, said)


def _unread_note(tables: Sequence[TableFile], options: ImportOptions) -> str:
    """What to say of columns that seem to code AUs and are not read; "" if there are none."""
    unread = dict.fromkeys(
        name for found in tables for name in table.unread_au_columns(found.columns, options)
    )
    shown = ", ".join([*list(unread)[:MOST_NAMED], *(["…"] if len(unread) > MOST_NAMED else [])])
    return (
        f"Not read, though named like AUs: {shown} (--au-columns names the columns to read)."
        if unread
        else ""
    )


def _layouts(
    tables: Sequence[TableFile], options: ImportOptions, emotions: TableFile | None
) -> tuple[Layout, ...]:
    layouts = tuple(_layout(found, options, emotions) for found in tables)
    _check_alike(layouts)
    _check_meanings(layouts)
    if emotions is not None:
        _check_keys(layouts, emotions)
    return layouts


def _layout(found: TableFile, options: ImportOptions, emotions: TableFile | None) -> Layout:
    source = SOURCES[options.source]
    wanted = {
        IMAGE: options.image_column or source.image,
        "frame": source.frame,
        "success": source.success,
        PARTITION: own_partition(found, options),
    }
    roles = {role: column for role, name in wanted.items() if name and (column := found.find(name))}
    if IMAGE not in roles and (column := found.find(INPUT)):
        roles[IMAGE] = column
    names_videos = roles.get(IMAGE, "").casefold() == INPUT
    video = found.find(VIDEO) or (roles[IMAGE] if names_videos else None)
    keys = {} if emotions is None else _keys(found, roles, emotions)
    roles |= _asked_for(found, options, emotions)
    aus = tuple(au_columns(source, found.columns, options, found.path))
    return Layout(found, aus, roles, keys, video, names_videos)


def _asked_for(found: TableFile, options: ImportOptions, emotions: TableFile | None) -> dict[str, str]:
    """The columns that options name; LabelError: they are not there, or nothing says the emotion of a row."""
    roles: dict[str, str] = {}
    if options.image_column is not None:
        roles[IMAGE] = _present(found, options.image_column, "--image-column")
    if options.min_confidence is not None:
        roles["confidence"] = _present(found, SOURCES[options.source].confidence, "--min-confidence")
    if emotions is None:
        roles[EMOTION] = _emotion_column(found, options)
    group = options.group_column
    if group is not None and (emotions is None or emotions.find(group) is None):
        is_file = group.casefold() == VIDEO and found.find(VIDEO) is None
        roles[GROUP] = FILE_STEM if is_file else _present(found, group, "--group-column")
    elif group is not None and (column := found.find(group)):
        roles[GROUP] = column
    return roles


def _emotion_column(found: TableFile, options: ImportOptions) -> str:
    if options.emotion_column is not None:
        return _present(found, options.emotion_column, "--emotion-column")
    column = found.find(EMOTION)
    if column is None:
        raise LabelError(
            f"{found.path}: expected a column {EMOTION}, --emotion-column NAME or --emotions FILE, "
            f"found {listed(found.columns) if len(found.columns) == 1 else 'none'}: "
            "what a program predicts is never taken for a label"
        )
    return column


def _present(found: TableFile, name: str, option: str) -> str:
    column = found.find(name)
    if column is None:
        raise LabelError(f"{found.path}: expected a column {name} ({option}), found {listed(found.columns)}")
    return column


def _keys(found: TableFile, roles: Mapping[str, str], emotions: TableFile) -> dict[str, str]:
    """The columns that both files share, by the name of the emotions file; LabelError: none.

    The frame may be called otherwise by the program, a video is named by its file where its table does not say, and
    images may stand in a column of another name where nothing else is shared. A file names a table of one image.
    """
    own = {name: column for name in KEYS if (column := found.find(name))}
    theirs = {name for name in KEYS if emotions.find(name)}
    if "frame" in roles:
        own["frame"] = roles["frame"]
    if IMAGE in theirs and VIDEO not in own and not {IMAGE, "frame"} & roles.keys():
        own[IMAGE] = FILE_STEM
    if not {IMAGE, INPUT} & own.keys() & theirs:
        own.setdefault(VIDEO, FILE_STEM)
    keys = {name: own[name] for name in KEYS if name in own and name in theirs}
    if not keys and IMAGE in theirs and IMAGE in roles:
        keys = {IMAGE: roles[IMAGE]}
    if not keys:
        raise LabelError(
            f"{emotions.path}: expected one of the columns {', '.join(KEYS)} that {found.path} has too, "
            f"found {listed(emotions.columns)} here and {listed(found.columns)} there"
        )
    return keys


def _told(emotions: TableFile, options: ImportOptions) -> dict[str, str]:
    """The columns of the emotions file that say something of a row, by their role."""
    if emotions.find(EMOTION) is None:
        raise LabelError(f"{emotions.path}: expected a column {EMOTION}, found {listed(emotions.columns)}")
    wanted = {
        EMOTION: EMOTION,
        IMAGE: IMAGE,
        PARTITION: own_partition(emotions, options),
        GROUP: options.group_column,
    }
    return {
        role: column
        for role, name in wanted.items()
        if name is not None and (column := emotions.find(name)) is not None
    }


def _check_meanings(layouts: Sequence[Layout]) -> None:
    """LabelError for AUs that are active by other rules in one table than in another: they would be compared."""
    first: dict[int, tuple[AuColumn, TableFile]] = {}
    faults = []
    for layout in layouts:
        others = []
        for meaning in layout.aus:
            earlier, where = first.setdefault(meaning.au, (meaning, layout.table))
            if meaning[2:] != earlier[2:]:
                others.append((meaning, earlier, where))
        if others:
            meaning, earlier, where = others[0]
            more = f", and so for {len(others) - 1} more AUs" if len(others) > 1 else ""
            faults.append(
                f"{layout.table.path}: expected AU {meaning.au} as {earlier.column} ({earlier.expected}) like in "
                f"{where.path}, found {meaning.column} ({meaning.expected}){more}; "
                "--au-threshold takes intensities alone"
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
    raise_all(
        [
            f"{layout.table.path}: expected a table of one image like {first.table.path}, or a column image in both, "
            "found it in one"
            for layout in layouts
            if (layout.keys.get(IMAGE) == FILE_STEM) != (first.keys.get(IMAGE) == FILE_STEM)
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
