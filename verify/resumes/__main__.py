"""Measures how well résumés are read: `python -m verify.resumes`.

`--write` puts the table into docs/resumes.md, `--mistakes` shows what was read wrongly, with `--held-out`
also in the layouts that no rule was written for; `--save FOLDER` writes the files, `--costs`
measures the time instead.
"""

import argparse
from pathlib import Path

from verify.resumes.costs import measure_costs, render_costs
from verify.resumes.measure import PAGE, measure_resumes, render_table, write_table
from verify.resumes.sample_set import generate_resumes


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m verify.resumes", description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--mistakes", action="store_true")
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--save", type=Path)
    parser.add_argument("--costs", action="store_true")
    options = parser.parse_args()
    if options.save:
        _save(options.save)
    if options.costs:
        print(render_costs(measure_costs()))
        return
    measured = measure_resumes()
    print(render_table(measured))
    if options.mistakes:
        scores = {
            **measured.tuned,
            **({f"held out, {k}": v for k, v in measured.held_out.items()} if options.held_out else {}),
        }
        for name, score in scores.items():
            for mistake in score.mistakes:
                print(f"{name}: {mistake}")
    if options.write:
        write_table(PAGE, render_table(measured))


def _save(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for sample in generate_resumes():
        (folder / f"{sample.style.name}.{sample.style.media_type.name.lower()}").write_bytes(sample.content)


if __name__ == "__main__":
    main()
