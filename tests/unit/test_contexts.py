"""Which context of a kubeconfig leads to a cluster: by ARN, by endpoint, by name, or as somebody says."""

from dataclasses import replace

import pytest

from keyferry.cli.clusters.contexts import Context, NoContext, check_servers, choose_context, parse_choices
from keyferry.errors import InvalidInput
from keyferry.mapping.targets import Cluster
from tests.unit.samples import cluster

ARN = "arn:aws:eks:eu-west-1:111122223333:cluster/prod-eu"
BY_ARN = Context("mine", ARN, "https://ABC.gr7.eu-west-1.eks.amazonaws.com")
BY_NAME = Context("prod-eu", "kind", "https://10.0.0.1:6443")
OTHER = Context("prod-eu", ARN.replace("eu-west-1", "eu-west-2"), "https://def.gr7.eu-west-2.eks.amazonaws.com")


def with_endpoint(url: str) -> Cluster:
    known = cluster("prod-eu")
    return known.model_copy(update={"endpoint": url})


def test_the_arn_of_the_cluster_goes_before_the_name_of_the_context() -> None:
    assert choose_context(cluster("prod-eu"), [BY_NAME, BY_ARN]) == BY_ARN


@pytest.mark.parametrize("url", ["https://abc.GR7.eu-west-1.eks.amazonaws.com", f"{BY_ARN.server}:443"])
def test_the_endpoint_is_recognized_however_it_is_written(url: str) -> None:
    tunnel = Context("other", "other", url)
    chosen = choose_context(with_endpoint(BY_ARN.server), [BY_NAME, tunnel])
    assert (chosen, chosen.is_guess) == (tunnel, False)


@pytest.mark.parametrize("url", [f"{BY_ARN.server}:6443", "https://def.gr7.eu-west-1.eks.amazonaws.com"])
def test_another_host_or_port_is_another_endpoint(url: str) -> None:
    with pytest.raises(NoContext):
        choose_context(with_endpoint(BY_ARN.server), [Context("other", "other", url)])


def test_two_clusters_behind_one_host_are_told_apart_by_their_paths() -> None:
    one, two = (Context(name, name, f"https://proxy.example/k8s/{name}/") for name in ("a", "b"))
    assert check_servers({"prod-eu": one, "prod-us": two}) == {}
    assert check_servers({"prod-eu": one, "prod-us": replace(two, server=one.server.rstrip("/"))}).keys() == {
        *("prod-eu", "prod-us")
    }


def test_a_context_of_the_cluster_s_name_will_do_where_nothing_says_that_it_is_another_cluster() -> None:
    chosen = choose_context(cluster("prod-eu"), [BY_NAME])
    assert (chosen, chosen.is_guess) == (BY_NAME, True)
    sure = [
        choose_context(cluster("prod-eu"), [BY_NAME], "prod-eu"),
        choose_context(cluster("prod-eu"), [BY_ARN]),
        choose_context(with_endpoint(BY_ARN.server), [BY_ARN]),
    ]
    assert not any(context.is_guess for context in sure)


@pytest.mark.parametrize(
    ("known", "context"),
    [(cluster("prod-eu"), OTHER), (with_endpoint(BY_ARN.server), BY_NAME), (cluster("prod-us"), BY_ARN)],
)
def test_a_context_of_another_cluster_is_not_taken_and_the_command_that_makes_one_is_told(
    known: Cluster, context: Context
) -> None:
    with pytest.raises(InvalidInput, match="has no context for cluster") as caught:
        choose_context(known, [context])
    assert f"`aws eks update-kubeconfig --name {known.name} --region " in str(caught.value)
    assert f"--alias {known.name}`, or say --context {known.name}=CONTEXT" in str(caught.value)


def test_among_several_the_one_of_the_cluster_s_name_is_taken() -> None:
    named = Context("prod-eu", ARN, BY_ARN.server)
    assert choose_context(cluster("prod-eu"), [BY_ARN, named]) == named


def test_a_context_that_somebody_names_is_taken_unless_its_arn_is_another_cluster_s() -> None:
    assert choose_context(cluster("prod-eu"), [BY_ARN, BY_NAME, OTHER], "prod-eu") == BY_NAME
    assert choose_context(cluster("prod-eu"), [BY_NAME, BY_ARN], "mine") == BY_ARN
    with pytest.raises(InvalidInput, match=r"context mine leads to arn:.*prod-eu, which is not cluster prod-us"):
        choose_context(cluster("prod-us"), [BY_ARN], "mine")
    with pytest.raises(InvalidInput, match="has no context prod; did you mean prod-eu"):
        choose_context(cluster("prod-eu"), [BY_ARN, BY_NAME], "prod")


def test_choices_name_a_cluster_where_there_are_several() -> None:
    assert parse_choices(["prod-eu=mine", "prod-us=a=b"], ["prod-eu", "prod-us"]) == {
        "prod-eu": "mine",
        "prod-us": "a=b",
    }
    assert parse_choices(["mine"], ["prod-eu"]) == {"prod-eu": "mine"}
    assert parse_choices(["a=b"], ["prod-eu"]) == {"prod-eu": "a=b"}
    with pytest.raises(InvalidInput, match=r"--context prod-eu=: say --context CLUSTER=CONTEXT$"):
        parse_choices(["prod-eu="], ["prod-eu", "prod-us"])
    with pytest.raises(InvalidInput, match=r"say --context CLUSTER=CONTEXT$"):
        parse_choices(["mine"], ["prod-eu", "prod-us"])
    with pytest.raises(InvalidInput, match="CLUSTER=CONTEXT; did you mean prod-us"):
        parse_choices(["prod-uk=mine"], ["prod-eu", "prod-us"])
