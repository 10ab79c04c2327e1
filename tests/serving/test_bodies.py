"""The schema of /openapi.json: it says what is accepted, and requests that follow it or break it never fail the server."""

import pytest
from hypothesis import HealthCheck, given, settings
from tiers import slow_but

POSTS = ("/embed", "/similarity", "/search")


@pytest.fixture(scope="module")
def document(served):
    return served.client.get("/openapi.json").json()


def test_the_schema_has_the_dimension_and_the_limits(document):
    assert document["paths"].keys() == {"/health", *POSTS}
    bodies = document["components"]["schemas"]
    video = bodies["Video"]["properties"]
    lists, array = video["frames"]["oneOf"]
    assert (lists["maxItems"], lists["items"]["minItems"], lists["items"]["maxItems"]) == (9, 6, 6)
    assert array == {"$ref": "#/components/schemas/Array"} and "pictures" not in video
    assert video["title"]["maxLength"] == 20 and bodies["Video"]["required"] == ["title", "frames"]
    assert bodies["EmbedRequest"]["properties"]["videos"]["maxItems"] == 6
    assert bodies["Video"]["additionalProperties"] is False


@pytest.mark.parametrize("examples", slow_but([4], [4, 300]))
@pytest.mark.parametrize("mode", ["POSITIVE", "NEGATIVE"])
@pytest.mark.parametrize("path", POSTS)
def test_requests_of_the_schema_and_others(served, path, mode, examples):
    """Checked are statuses, content types and schemas of answers, and that what breaks the schema is refused."""
    schemathesis = pytest.importorskip("schemathesis")
    from schemathesis.specs.openapi.checks import positive_data_acceptance

    schema = schemathesis.openapi.from_asgi("/openapi.json", served.client.app)
    cases = schema[path]["POST"].as_strategy(generation_mode=schemathesis.GenerationMode[mode])
    statuses = set()

    @settings(max_examples=examples, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(cases)
    def tried(case):
        answer = case.call()
        case.validate_response(answer, excluded_checks=[positive_data_acceptance])  # not all can be said in a schema
        statuses.add(answer.status_code)
        assert answer.status_code == 200 or isinstance(answer.json()["detail"], str)

    tried()
    assert statuses <= {200, 422} if mode == "POSITIVE" else {422}
    assert 200 in statuses or mode == "NEGATIVE"
