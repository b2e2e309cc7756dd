"""SQL text in, its tokens and what they tell out: the canonical form, the fingerprint, the functions that differ.

The text itself is never rewritten: what runs is what the analyst wrote, wrapped where its types need a cast.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import string
from collections.abc import Mapping, Sequence
from itertools import pairwise

from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from fsbuild.values import REQUEST, BoundColumn, ColumnType, RenderedModel, literal, quote


class Kind:
    """The kinds of tokens that are looked for; to find one in the enum itself takes seven times as long."""

    ALIAS = TokenType.ALIAS
    COLON = TokenType.COLON
    COLON_EQ = TokenType.COLON_EQ
    COMMA = TokenType.COMMA
    DCOLON = TokenType.DCOLON
    DISTINCT = TokenType.DISTINCT
    DOT = TokenType.DOT
    FROM = TokenType.FROM
    GLOB = TokenType.GLOB
    GROUP_BY = TokenType.GROUP_BY
    HAVING = TokenType.HAVING
    IDENTIFIER = TokenType.IDENTIFIER
    L_BRACE = TokenType.L_BRACE
    L_BRACKET = TokenType.L_BRACKET
    L_PAREN = TokenType.L_PAREN
    ORDER_BY = TokenType.ORDER_BY
    QUALIFY = TokenType.QUALIFY
    R_BRACE = TokenType.R_BRACE
    R_BRACKET = TokenType.R_BRACKET
    R_PAREN = TokenType.R_PAREN
    SELECT = TokenType.SELECT
    SEMICOLON = TokenType.SEMICOLON
    STAR = TokenType.STAR
    STRING = TokenType.STRING
    VAR = TokenType.VAR
    WHERE = TokenType.WHERE


# What sqlglot takes for a name where a name may stand; the engine allows none of RESERVED as a column without quotes.
_PERHAPS_NAMES = DuckDB.Parser.ID_VAR_TOKENS
RESERVED = frozenset(
    {
        "ALL",
        "ANTI",
        "ANY",
        "ASC",
        "ASOF",
        "BOTH",
        "BY",
        "CASE",
        "COLLATE",
        "DESC",
        "END",
        "FALSE",
        "FULL",
        "GROUP",
        "IN",
    }
    | {"IS", "ISNULL", "LAMBDA", "LEADING", "LEFT", "LIMIT", "NATURAL", "NULL", "OFFSET", "PIVOT", "RIGHT", "SEMI"}
    | {"ORDER", "SIMILAR", "SOME", "TO", "TRAILING", "TRUE", "UNPIVOT", "WINDOW"}
)
_PREFIXES = frozenset({"DATE", "TIME", "TIMESTAMP", "TIMESTAMPTZ", "INTERVAL"})
_CLOCKS = frozenset({"CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "LOCALTIME", "LOCALTIMESTAMP"})
# Table functions that read what is outside the lake, and the names of files that may stand in the place of tables.
_FILE_READER = re.compile(
    r"read_\w+|glob|sniff_csv|st_read|(?:parquet|sqlite|postgres|mysql|odbc|delta|iceberg|ducklake|lance|vortex)_scan"
    r"|parquet_(?:file_|full_|kv_)?metadata|parquet_schema|iceberg_(?:metadata|snapshots)|(?:sqlite|postgres|mysql)_query",
    re.IGNORECASE,
)
_FILE_NAME = re.compile(
    r".*\.(?:parquet|csv|tsv|txt|json|jsonl|ndjson|avro|xlsx|vortex|lance|arrows?|db|duckdb)(?:\.gz|\.zst)?(?:\?.*)?",
    re.IGNORECASE | re.DOTALL,
)
# Functions and words in the place of tables that say themselves what they are made of.
_MAKING_ROWS = frozenset({"range", "generate_series", "unnest", "repeat", "values", "select", "lateral"})
# Functions that look into the catalog, wherever they stand.
_LOOKING_AROUND = re.compile(r"query|query_table|pragma_\w+|duckdb_\w+|json_execute_serialized_sql|sql_auto_complete")
_BEFORE_TABLES = frozenset({"FROM", "JOIN", "PIVOT", "UNPIVOT", "TABLE"})
_CLAUSES = frozenset({Kind.SELECT, Kind.WHERE, Kind.GROUP_BY, Kind.ORDER_BY, Kind.HAVING, Kind.QUALIFY})
_CAPITALS = str.maketrans(string.ascii_lowercase, string.ascii_uppercase)


def tokenize(text: str) -> list[Token]:
    """The tokens of a query without comments and trailing semicolons; none where sqlglot cannot read it."""
    try:
        tokens = DuckDB().tokenize(text)
    except SqlglotError:
        return []
    while tokens and tokens[-1].token_type == Kind.SEMICOLON:
        tokens.pop()
    return tokens


def strip(text: str, tokens: Sequence[Token]) -> str:
    """The query without what follows its last token."""
    return text[: tokens[-1].end + 1].lstrip("\n") if tokens else text


def select_list(text: str) -> str:
    """Tell what a model on demand computes: the list of a plain SELECT from its request.

    Raises:
        ValueError: it is something else, so that a row could become none, or many; the text says what.
    """
    tokens = tokenize(text)
    # As they are written: a quoted name or a text is no keyword.
    words = [text[token.start : token.end + 1].upper() for token in tokens]
    if words[:1] != ["SELECT"] or words[-4:-3] != ["FROM"]:
        raise ValueError("is not a plain SELECT … FROM {{ request() }}, without anything behind it")
    if text[tokens[-3].start : tokens[-1].end + 1] != REQUEST:
        raise ValueError("does not select from {{ request() }} alone")
    listed = words[1:-4]
    refused = {"SELECT", "OVER", "UNNEST", *(["DISTINCT"] if listed[:1] == ["DISTINCT"] else [])}
    if found := next((word for word in listed if word in refused), None):
        raise ValueError(f"has {found}, and is computed from one row at a time")
    if ("(", "FROM") in itertools.pairwise(listed):
        raise ValueError("has a query within its SELECT, and is computed from one row at a time")
    return text[tokens[0].end + 1 : tokens[-4].start].strip()


def select_stored(text: str, tokens: Sequence[Token], columns: Sequence[BoundColumn]) -> str:
    """Wrap a query so that its columns have the types in which they are stored."""
    stripped = strip(text, tokens)
    if all(column.stored_type == column.type for column in columns):
        return stripped
    written = ", ".join(
        quote(c.name) if c.stored_type == c.type else f"{_cast(quote(c.name), c)} AS {quote(c.name)}" for c in columns
    )
    return f"SELECT {written} FROM (\n{stripped}\n)"


def _cast(name: str, column: BoundColumn) -> str:
    """Write the cast to the stored type; a value that does not fit is an error, also where DuckDB would cut it off."""
    cast = f"CAST({name} AS {column.stored_type})"
    if column.type != "TIMESTAMP_NS":
        return cast
    refused = f"error({literal(f'{column.name} has nanoseconds, and a Delta table keeps microseconds')})"
    return f"CASE WHEN epoch_ns({name}) % 1000 <> 0 THEN {refused} ELSE {cast} END"


def _canonical(tokens: Sequence[Token], text: str) -> str:
    """The query as its tokens, keywords in capitals: comments, white space and line breaks do not count.

    The case of a name counts, as names become data: the key of a struct, the rows of an UNPIVOT. So does that of a word
    that may be a name where it stands: at worst, a table is built once more than it had to be.

    >>> sql = "select {a: Date} -- why"
    >>> _canonical(tokenize(sql), sql)
    'SELECT { a : Date }'
    """
    if not tokens:
        return text
    words: list[str] = []
    openers: list[str] = []  # the words before the parentheses that are open
    for before, token, after in zip((None, *tokens), tokens, (*tokens[1:], None), strict=False):
        written = text[token.start : token.end + 1]
        if token.token_type == Kind.L_PAREN:
            openers.append(before.text.upper() if before is not None else "")
        elif token.token_type == Kind.R_PAREN and openers:
            openers.pop()
        is_keyword = _is_word(written) and _is_keyword(before, token, after, openers[-1] if openers else "")
        # As in DuckDB, only the letters a to z have two cases.
        words.append(" ".join(token.text.translate(_CAPITALS).split()) if is_keyword else written)
    return " ".join(words)


def _is_word(written: str) -> bool:
    return (written[0].isalpha() or written[0] == "_") and "'" not in written and '"' not in written


def _is_keyword(before: Token | None, token: Token, after: Token | None, opener: str) -> bool:
    """Whether a word cannot be a name where it stands, between these tokens, in the parentheses after `opener`."""
    previous = before.token_type if before is not None else None
    following = after.token_type if after is not None else None
    if previous == Kind.ALIAS:
        return opener in ("CAST", "TRY_CAST")  # otherwise even a keyword is a name: 1 AS end
    if previous == Kind.DOT or following in (Kind.COLON, Kind.COLON_EQ):
        return False
    word = token.text.upper()
    return (
        token.token_type not in _PERHAPS_NAMES
        or word in RESERVED
        or following == Kind.L_PAREN  # a function
        or previous == Kind.DCOLON  # a type
        or opener == "OVER"  # orders rows, and makes none
        or (word in _PREFIXES and following == Kind.STRING)
        or (word in _CLOCKS and following == Kind.ALIAS)
        or (word in ("FIRST", "LAST") and before is not None and before.text.upper() == "NULLS")
        or (word == "NULLS" and after is not None and after.text.upper() in ("FIRST", "LAST"))
    )


def fingerprint(model: RenderedModel, columns: Sequence[ColumnType], tokens: Sequence[Token]) -> str:
    """Identify what a model computes and how it is kept: its canonical SQL, and the configuration that counts."""
    config = model.config
    counted: Mapping[str, object] = {
        "materialized": config.materialized,
        "strategy": config.strategy if config.materialized == "incremental" else None,
        "unique_key": config.unique_key,
        "partition_by": config.partition_by,
        "deleted_when": config.deleted_when,
        "relation": str(model.relation),
        "columns": [(column.name, column.type) for column in columns],
        "sql": _canonical(tokens, model.sql.text),
    }
    if config.materialized == "snapshot":
        how = (config.snapshot_strategy, config.updated_at, config.check_cols, config.hard_deletes)
        counted = {**counted, "snapshot": (*how, config.dbt_valid_to_current)}
    if config.is_batched:
        counted = {**counted, "batches": [config.batch_size, config.event_time]}
    return _digest(json.dumps(counted, sort_keys=True))


def text_fingerprint(text: str | None, tokens: Sequence[Token]) -> str:
    """Identify a query by its canonical form; nothing where there is none."""
    return _digest(_canonical(tokens, text)) if text else ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def volatile_calls(tokens: Sequence[Token], names: frozenset[str]) -> tuple[str, ...]:
    """The functions that a query calls whose answers change from one moment to the next."""
    without_parentheses = {"current_date", "current_timestamp", "current_time", "localtime", "localtimestamp"}
    found = {
        token.text.lower()
        for index, token in enumerate(tokens)
        if token.token_type not in (Kind.STRING, Kind.IDENTIFIER)
        and token.text.lower() in names
        and (
            token.text.lower() in without_parentheses
            or (index + 1 < len(tokens) and tokens[index + 1].token_type == Kind.L_PAREN)
        )
    }
    return tuple(sorted(found))


def file_reads(tokens: Sequence[Token]) -> tuple[str, ...]:
    """What a query reads by itself, of which nobody can tell whether it has changed: functions, and names of files.

    >>> file_reads(tokenize("select * from read_csv('a.csv') join 'b.parquet' using (id)"))
    ("'b.parquet'", 'read_csv')
    """
    names = (Kind.STRING, Kind.IDENTIFIER)
    found = {
        literal(token.text)
        for index, token in enumerate(tokens)
        if token.token_type in names and _FILE_NAME.fullmatch(token.text) and _is_table(tokens[:index])
    }
    found |= {
        token.text.lower()
        for index, (token, after) in enumerate(pairwise(tokens))
        if after.token_type == Kind.L_PAREN
        and token.token_type != Kind.STRING
        and _FILE_READER.fullmatch(token.text)
        and (token.token_type != Kind.GLOB or _is_table(tokens[:index]))  # name GLOB ('a*') is an operator
    }
    return tuple(sorted(found))


def has_unknown_table(tokens: Sequence[Token]) -> bool:
    """Whether a query reads a function of which nobody here can tell what it looks into, such as `query('…')`.

    >>> [has_unknown_table(tokenize(f"select x from {item}")) for item in ("t", "range(3)", "query('from t')")]
    [False, False, True]
    """
    for index, (token, after) in enumerate(pairwise(tokens)):
        name = token.text.lower()
        if after.token_type != Kind.L_PAREN or name in _MAKING_ROWS or not (name[:1].isalpha() or name[:1] == "_"):
            continue
        start = index
        while start > 1 and tokens[start - 1].token_type == Kind.DOT:
            start -= 2
        if _LOOKING_AROUND.fullmatch(name) or _is_table(tokens[:start]):
            return True
    return False


def _is_table(before: Sequence[Token]) -> bool:
    """Whether what follows these tokens is a table: after FROM or JOIN, or in the list that a FROM begins."""
    if not before:
        return False
    if before[-1].token_type != Kind.COMMA:
        is_compared = len(before) > 1 and before[-2].token_type == Kind.DISTINCT  # IS DISTINCT FROM 'x'
        return before[-1].text.upper() in _BEFORE_TABLES and not is_compared
    depth = 0
    for token in reversed(before):
        depth += {Kind.R_PAREN: 1, Kind.L_PAREN: -1}.get(token.token_type, 0)
        if depth < 0 or (depth == 0 and token.token_type in _CLAUSES):
            return False
        if depth == 0 and token.token_type == Kind.FROM:
            return True
    return False
