"""The dictionary of the tables as Markdown, from the contract itself: `data/README.md`."""

from __future__ import annotations

from segmentation.data.contract import TABLES, Column, Table
from segmentation.data.demonstrations import SEED

__all__ = ["dictionary"]

HEAD = """\
<!-- Written by `python -m segmentation.data.dictionary > data/README.md` from
segmentation/data/contract.toml. Change it there. -->

# The tables of a bank · 数据字典

What `open_bank` reads and `Bank(...)` takes. A bank brings the tables it has; what needs another
says so. **Bold** columns must be there; a cell of theirs is filled unless it says *may be empty*.
All amounts of a bank are in one currency.

银行提供已有的表即可，缺哪张表，用到它的分析会说明。**粗体**列必须有。金额单位统一为元。

| type 类型 | what it is | how files may write it |
|---|---|---|
| id | text, never a number | 00123, '00123, ００１２３; not 1.2E+17 |
| text | text | any |
| category | one of a list | as listed, or in Chinese as in `columns.toml` |
| flag | yes or no | 是/否, Y/N, 1/0, true/false |
| date | a day | 2024-01-31, 2024/1/31, 2024年1月31日, 20240131; in Excel 45322 |
| month | its first day | any date within it, 2024-01, 202401, 2024年1月 |
| time | a day and a clock time, local | 2024-01-31 09:05:00, 20240131090500 |
| money | yuan, or other | 1,234.56, ¥1234.56, (1,234.56), 1234.56-, 1.2万; (万元) in a header |
| number, count | a number; a whole number | as money |
| share | in [0, 1] | 0.05, 5%, or 5 below a header with (%) |

## How files are read · 如何读取

- A folder of Parquet, CSV, TSV, TXT or Excel files, or one DuckDB file. A file is named after its
  table in English or Chinese, with numbers and dates around the name as one likes:
  `balances.parquet`, `balances_2024.csv`, `余额表202401.xlsx`, or any name in a folder `balances/`.
  Several files are one table; a table in two forms is refused, so that nothing counts twice.
- 万元, 亿元 and the like in a header, or 单位：万元 in a title above the table, multiply amounts;
  (%) in a header divides.
- Text is UTF-8, UTF-16 or GB18030 throughout, with commas, tabs, semicolons or pipes. The header
  may stand below title lines. Chinese headers are those of the tables below and of
  `segmentation/data/columns.toml`; others go into a `columns.toml` in the bank's folder.
- Empty, `--`, `-`, `NULL`, `NaN`, `\\N` are null. So are the dates 00000000, 00010101 and 99991231,
  by which core systems say that there is none.
- **What cannot be read is never null in silence.** The table is refused with the column, the rule
  and the number of rows: 20240231; 03/04/2024, unless `columns.toml` gives `dates = "dmy"` or
  `"mdy"`; 1.234,56, unless it gives `decimal = ","`; a row with more cells than the header; a file
  that is cut off. A category that is not in its list is kept, and `check_bank` reports it.
- Rows of totals (合计, 小计, 总计, Total), notes below a table, blank rows, and files and columns
  that are none of the contract's are left out; `bank.remarks` says which.
- Times with an offset, and Parquet times in UTC, become the clock time of `timezone` in
  `columns.toml`, Asia/Shanghai by default.
- `bank.toml` in the folder gives `currency`, `source`, `notes` and `tier_rule`; a folder `rules`
  the bank's own rules.
"""
DEMO = f"""\
## The demonstration bank · 演示数据

`open_bank()` without a path simulates a network of branches once, with seed {SEED}, into
`data/demo` of a checkout (not committed) or the user's cache, as Parquet. It is made of causes
that it knows and keeps in `truth/`; no customer in it is real. `segmentation/rules/network.toml`
holds its calibration, each entry with its source or the word assumption. The folder is named
after a hash of the generator, so that a changed one makes it anew.
`python -m segmentation simulate --out DIR` makes another.

演示数据由固定种子模拟生成，不含任何真实客户；参数及依据见 `segmentation/rules/network.toml`。

Real public data: `read_berka` reads the Czech bank of the PKDD'99 Discovery Challenge,
`read_hillstrom` Hillstrom's e-mail campaign, both from the files' original layout.
"""


def dictionary() -> str:
    """Return the dictionary of all tables as Markdown.

    Examples
    --------
    >>> dictionary().splitlines()[3]
    '# The tables of a bank · 数据字典'
    """
    return "\n".join([HEAD, *(_table(table) for table in TABLES.values()), DEMO])


def _table(table: Table) -> str:
    about = [f"One row is {table.en}. 每行是{table.zh}。"]
    if table.key:
        about.append(f"Key: {', '.join(f'`{name}`' for name in table.key)}.")
    if table.either:
        about.append(f"One of {' and '.join(f'`{name}`' for name in table.either)} is enough.")
    rows = [_row(column) for column in table.columns.values()]
    head = ["| column 列 | 中文名 | type | what it is |", "|---|---|---|---|"]
    return "\n".join([f"## {table.name}", "", " ".join(about), "", *head, *rows, ""])


def _row(column: Column) -> str:
    name = f"**{column.name}**" if column.required else column.name
    said = [column.en]
    if column.values:
        said.append(", ".join(f"`{value}`" for value in column.values))
    if column.nullable:
        said.append("may be empty")
    if column.min is not None and column.max is not None:
        said.append(f"{column.min:g} to {column.max:g}")
    elif column.min is not None:
        said.append(f"at least {column.min:g}")
    if column.unit:
        said.append(f"in {column.unit}" if column.type != "share" else column.unit)
    if column.above:
        said.append(f"not before {', '.join(f'`{other}`' for other in column.above)}")
    if column.to:
        said.append(f"in `{column.to}`")
    return f"| {name} | {column.zh} | {column.type} | {'; '.join(said)} |"


if __name__ == "__main__":
    import sys

    sys.stdout.buffer.write(dictionary().encode())
