"""A stack without mappings, as this repository ships them, deploys and has nothing to do."""

import json
from pathlib import Path

from keyferry_local import stack as stacks
from keyferry_local.cloud import Cloud

ROOT = Path(__file__).resolve().parent.parent.parent
NAME = "keyferry-empty"


def test_a_stack_without_mappings_deploys_finds_nothing_to_do_and_goes(cloud: Cloud, tmp_path: Path) -> None:
    checkout = stacks.stage(tmp_path, ROOT / "mappings")
    stacks.build(checkout, print, work=tmp_path)
    parameters = {"RoleNamePrefix": NAME}  # another than that of the stack beside it
    outputs = stacks.deploy(checkout, cloud.aws, stack_name=NAME, parameters=parameters, say=print)

    functions = cloud.aws.client("lambda")
    answer = functions.invoke(FunctionName=outputs["ReconcileFunction"], Payload=b"{}")

    found = json.load(answer["Payload"])
    assert (found["checked"], found["sent"], found["not_compared"], found["finished"]) == (0, [], 0, True)
    formation = cloud.aws.client("cloudformation")
    formation.delete_stack(StackName=NAME)
    formation.get_waiter("stack_delete_complete").wait(StackName=NAME, WaiterConfig={"Delay": 1})
    assert not [each for each in functions.list_functions()["Functions"] if each["FunctionName"].startswith(NAME)]
