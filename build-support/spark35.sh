#!/usr/bin/env bash
# Runs landing, compaction and export on Spark 3.5, that of EMR 7.x, from the built archives: `make spark35`.
#
#   build-support/spark35.sh [ARGUMENT OF PYTEST...]
#
# Once a release: the pins of everything else are those of Spark 4.0. Needs dist/ (make package).
set -euo pipefail

# shellcheck source=build-support/bootstrap.sh
source "$(dirname "${BASH_SOURCE[0]}")/bootstrap.sh"
cd "$root"

for job in landing export; do
  [ -e "dist/$job-job.tar.gz" ] || die "dist/$job-job.tar.gz is not built; run: make package"
done
build-support/env.sh dev
build-support/env.sh spark35
JETL2_SPARK_HOME=$("$cache/env/spark35/bin/python" -c 'import pyspark; print(pyspark.__path__[0])')
PYTHONPATH=$(printf '%s:' "$root"/libs/* "$root"/services/* "$root"/jobs/*)
export JETL2_SPARK_HOME PYTHONPATH
say "Spark: $JETL2_SPARK_HOME"
exec "$cache/env/dev/bin/python" -m pytest -ra -p no:cacheprovider \
  "$@" \
  "tests/integration/test_landing_job.py::test_the_archive_of_a_release_lands_as_emr_runs_it" \
  "tests/integration/api/test_api_emr.py::test_the_archive_of_a_release_makes_files_as_emr_runs_it" \
  "tests/integration/test_compaction_job.py::test_killed_at_each_point_it_leaves_each_row_once_for_our_readers" \
  "tests/integration/test_export_job.py"
