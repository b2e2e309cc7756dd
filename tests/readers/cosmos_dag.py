"""astronomer-cosmos makes a DAG of Airflow's from the manifest: a task for each node, its tests behind it."""

import logging
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp

project = Path(sys.argv[1]).resolve()
os.environ |= {
    "AIRFLOW_HOME": mkdtemp(prefix="airflow"),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__COSMOS__ENABLE_TELEMETRY": "False",
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
    "SCARF_NO_ANALYTICS": "true",
}
logging.disable(logging.WARNING)

from cosmos import DbtDag, ExecutionConfig, LoadMode, ProfileConfig, ProjectConfig, RenderConfig  # noqa: E402

dag = DbtDag(
    dag_id="shop",
    project_config=ProjectConfig(manifest_path=project / "target/manifest.json", project_name="shop"),
    profile_config=ProfileConfig("shop", "dev", profiles_yml_filepath=project / "profiles.yml"),
    render_config=RenderConfig(load_method=LoadMode.DBT_MANIFEST),
    # Nothing is run: only that there is a program is looked at.
    execution_config=ExecutionConfig(dbt_project_path=project, dbt_executable_path="/bin/true"),
    schedule=None,
    start_date=datetime(2024, 1, 1, tzinfo=UTC),
)
above = {task.task_id: set(task.upstream_task_ids) for task in dag.tasks}
assert above["revenue.run"] == {"stg_orders.test", "countries.test"}, above
assert above["totals.run"] == {"revenue.test"}
assert above["orders_kept_snapshot"] == {"stg_orders.test"}
print(f"astronomer-cosmos: a DAG of {len(above)} tasks")
