# # Your own data
#
# Two tables are enough: samples with element columns, and known deposits. Here they are made ones, written as
# a laboratory would; take your own files instead.

from pathlib import Path

from gossan import io, load_project, pipeline, run
from gossan.synthetic import laboratory_table, synthetic_survey

survey = synthetic_survey(0, size=160, resolution=243.75, samples=3000)
io.write_survey(survey, Path("own"), table=laboratory_table(survey))
survey

# `draft_project` looks at the files and writes a project file; on the command line it is `gossan init`. Every
# guess is given with its reason. Paths in the project file start from its own folder.

text, guesses = pipeline.draft_project(
    Path("own/mine.toml"),
    {
        "samples.path": Path("own/samples.csv"),
        "deposits.path": Path("own/deposits.csv"),
        "geology.path": Path("own/geology.gpkg"),
    },
    crs=survey.crs,
)
Path("own/mine.toml").write_text(text, encoding="utf-8")
{key: guess["why"] for key, guess in guesses.items()}

# Read it, and change what you want changed; `--set` does the same on the command line.

quick = ["model.name='logistic-regression'", "validation.rivals=['nearest-known']", "validation.tune=1"]
quick += ["validation.audit=[]", "screen.enabled=false", "windows.size=16", "project.resolution=243.75"]
project = load_project("own/mine.toml", quick)
project

# Before anything is computed: what is read, and what is weak about the design. Each warning says what to
# change.

found = pipeline.check(project)
found["camps"], found["warnings"]

# Then the run. What did not change is not computed again when it is repeated.

run(project, "own/run", jobs=1)
