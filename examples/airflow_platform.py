"""Plays a small Airflow: runs the DAG of airflow_shop.py, and reads what its tasks logged as Airflow's UI does.

Its tasks' local files are deleted when they are delivered. So what it prints was read from CloudWatch Logs.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from run import free_port

HERE = Path(__file__).resolve().parent
AIRFLOW = [sys.executable, "-m", "airflow"]
TRIES = ("pack/logs/1", "ship/logs/1", "ship/logs/2", "invoice/logs/1")


def main() -> None:
    if find_spec("airflow") is None:
        sys.exit("Airflow is not installed. It comes by pip install -e '.[recipes]'")
    with tempfile.TemporaryDirectory() as home:
        port = str(free_port())
        url = f"http://127.0.0.1:{port}"
        os.environ.update(
            AIRFLOW_HOME=home,
            AIRFLOW__LOGGING__LOGGING_CONFIG_CLASS="airflow_cloudwatch.LOGGING",
            AIRFLOW__LOGGING__DELETE_LOCAL_LOGS="True",
            AIRFLOW__CORE__LOAD_EXAMPLES="False",
            AIRFLOW__CORE__PARALLELISM="1",
            AIRFLOW__CORE__EXECUTION_API_SERVER_URL=f"{url}/execution/",
            AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS="True",
            AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL="1",
            PYTHONPATH=os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")])),
        )
        Path(home, "dags").mkdir()
        shutil.copy(HERE / "airflow_shop.py", Path(home, "dags"))
        airflow("db", "migrate")
        server = subprocess.Popen([*AIRFLOW, "api-server", "--workers", "1", "--host", "127.0.0.1", "--port", port])
        try:
            while not answers(f"{url}/api/v2/monitor/health"):
                if server.poll() is not None:
                    sys.exit("Airflow's API server has ended.")
                time.sleep(0.2)
            # Its status is 1, because a task failed.
            airflow("dags", "test", "--use-executor", "shop", check=False)
            (run,) = get(f"{url}/api/v2/dags/shop/dagRuns")["dag_runs"]
            for path in TRIES:
                print(f"{path.replace('/logs/', ', try ')}, as Airflow's UI shows it:")
                run_id = urllib.request.quote(run["dag_run_id"])
                for line in get(f"{url}/api/v2/dags/shop/dagRuns/{run_id}/taskInstances/{path}")["content"]:
                    print(f"    {line.get('level', '')} {line['event']}")
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait()


def airflow(*arguments: str, check: bool = True) -> None:
    subprocess.run([*AIRFLOW, *arguments], check=check, stdin=subprocess.DEVNULL)


def answers(url: str) -> bool:
    try:
        return bool(get(url))
    except OSError:
        return False


def get(url: str) -> Any:
    request = urllib.request.Request(url, headers={"Accept": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


if __name__ == "__main__":
    main()
