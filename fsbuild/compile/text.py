"""SQL text in, its tokens and what they tell out: the canonical form, the fingerprint, the functions that differ.

The text itself is never rewritten: what runs is what the analyst wrote, wrapped where its types need a cast.
"""

from __future__ import annotations

import hashlib
import json
import string
from collections.abc import Mapping, Sequence

from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from fsbuild.values import BoundColumn, ColumnType, RenderedModel, literal, quote

_CAPITALS = str.maketrans(string.ascii_lowercase, string.ascii_uppercase)


def tokenize(text: str) -> list[Token]:
    """The tokens of a query without comments and trailing semicolons; none where sqlglot cannot read it."""
    try:
        tokens = DuckDB().tokenize(text)
    except SqlglotError:
        return []
    while tokens and tokens[-1].token_type == TokenType.SEMICOLON:
        tokens.pop()
    return tokens


def strip(text: str, tokens: Sequence[Token]) -> str:
    """The query without what follows its last token."""
    return text[: tokens[-1].end + 1].lstrip("\n") if tokens else text


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
    """The query as its tokens, keywords in capitals: comments, white space and line breaks do not count."""
    if not tokens:
        return text
    return " ".join(_canonical_word(token, text[token.start : token.end + 1]) for token in tokens)


def _canonical_word(token: Token, written: str) -> str:
    """A token as it counts. Words are capitals: the case of a name counts in the columns alone."""
    is_word = written[0].isalpha() or written[0] == "_"
    # As in DuckDB, only the letters a to z have two cases.
    return " ".join(token.text.translate(_CAPITALS).split()) if is_word and not {"'", '"'} & {*written} else written


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


def text_fingerprint(text: str | None) -> str:
    """Identify a query by its canonical form; nothing where there is none."""
    return _digest(_canonical(tokenize(text), text)) if text else ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def volatile_calls(tokens: Sequence[Token], names: frozenset[str]) -> tuple[str, ...]:
    """The functions that a query calls whose answers change from one moment to the next."""
    without_parentheses = {"current_date", "current_timestamp", "current_time", "localtime", "localtimestamp"}
    found = {
        token.text.lower()
        for index, token in enumerate(tokens)
        if token.token_type not in (TokenType.STRING, TokenType.IDENTIFIER)
        and token.text.lower() in names
        and (
            token.text.lower() in without_parentheses
            or (index + 1 < len(tokens) and tokens[index + 1].token_type == TokenType.L_PAREN)
        )
    }
    return tuple(sorted(found))
