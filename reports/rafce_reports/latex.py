"""What every LaTeX table needs so that it compiles alone as well as inside a paper."""

from collections.abc import Sequence

from rafce.foreign_text import shown

ALONE = r"""\makeatletter
\newif\ifrafcealone
\ifx\@nodocument\relax\rafcealonefalse\else\rafcealonetrue\fi
\makeatother
\ifrafcealone
"""
FOOT = r"""\ifrafcealone\def\rafceend{\end{document}}\else\let\rafceend\relax\fi
\rafceend
"""
SPECIAL = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "†": r"$^\dagger$",
        "±": r"$\pm$",
        "−": r"$-$",
        "–": "--",
        "×": r"$\times$",
        "“": "``",
        "”": "''",
    }
)


def escaped(text: str) -> str:
    """Text as LaTeX prints it."""
    return shown(text).translate(SPECIAL)


def document(name: str, body: Sequence[str], packages: Sequence[str], definitions: str = "") -> str:
    """The lines of a table as a file: `pdflatex NAME.tex` and `\\input{NAME}` both work."""
    used = "".join(f"\\usepackage{{{package}}}\n" for package in packages)
    needed = " and ".join(rf"\usepackage{{{package}}}" for package in packages)
    return (
        f"% Needs in the preamble: {needed}.\n"
        f"% Compiles alone (pdflatex {name}.tex) and inside a paper (\\input{{{name}}}).\n"
        f"{ALONE}\\documentclass{{article}}\n\\usepackage[a4paper,landscape,margin=15mm]{{geometry}}\n{used}"
        f"\\pagestyle{{empty}}\n\\begin{{document}}\n\\fi\n{definitions}" + "\n".join(body) + f"\n{FOOT}"
    )
