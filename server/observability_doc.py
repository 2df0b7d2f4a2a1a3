"""docs/observability.md, from the tables in the code.

    python -m server.observability_doc > docs/observability.md

A test holds the page to what this prints.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

from prometheus_client import Metric

from server.logs import LINES
from server.metrics import Metrics
from server.traces import ATTRIBUTES, SPANS

INTRO = """\
# Seen from outside

What an operator sees of a server, on three ways: `/metrics` for Prometheus, traces by OpenTelemetry, and a
log. This page is printed from the code (`python -m server.observability_doc`). **Nothing that was said or
sent is in any of them**, nor any key: numbers, states, error codes and ids alone, unless the operator asks
for content in the log (`log_content`). A client is told the timings of its own replies by
`soundmind.timings` ([realtime-events.md](realtime-events.md)).

| setting | | |
|---|---|---|
| `log_format` | `text` (the default) or `json` | one line a record, on stderr |
| `log_level` | `debug`, `info`, `warning` (the default), `error` | `info`: each conversation, reply, error |
| `log_content` | off | write what is said to the log, too; the server warns of it when it starts |
| `otlp_endpoint` | nowhere | `http://HOST:4318`: traces go there; also `OTEL_EXPORTER_OTLP_ENDPOINT` |

Each is a flag of `soundmind serve` (`--log-format`), a variable (`SOUNDMIND_LOG_FORMAT`) and a key of the
TOML file. [grafana.json](grafana.json) is a dashboard of all the metrics: import it, and choose your
Prometheus.
"""

METRICS = """\
## Metrics

Histograms have `_bucket`, `_sum` and `_count`; counters end in `_total`. Those of `process_*` are
prometheus-client's own, of the server's process (the engine has another).
"""

TRACES = """\
## Traces

One trace a reply, sent once it has ended, in batches and from a thread of its own. The other variables of
OpenTelemetry (`OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_TRACES_SAMPLER`,
`OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_SDK_DISABLED` …) do what they do elsewhere. Where no endpoint is set,
the SDK is not even imported. A span that did not happen is left out: a typed question has no `listen`.
"""

LOG = """\
## Log

Every line has `time` (UTC), `level` and `event`; those of a conversation have its `session` too, whoever
writes them. Fields in italics are content: written only with `log_content`. Without it an error's own words
are left out as well, since they may quote a client: its type and the places that it passed stand alone. Of
other packages only warnings and errors are written, and of these the first line.
"""


def page() -> str:
    return "\n".join([INTRO, METRICS, *_metrics(), "", TRACES, *_traces(), "", LOG, *_log()])


def exposed() -> list[Metric]:
    """Of a server that nobody has talked to yet."""
    return sorted(Metrics(lambda: 0, lambda: 0).registry.collect(), key=lambda metric: metric.name)


LABELS = {  # by the metric's name: a label, and what it may be
    "soundmind_audio_seconds": "`direction`: in, out",
    "soundmind_errors": "`code`: as in the `error` event, of a failed reply, or of a connection refused",
    "soundmind_prompt_tokens": "`kind`: audio, text; `cached`: yes, no (found in the prefix cache)",
    "soundmind_speculated_tokens": "`became`: promoted, wasted",
    "soundmind_speculations": "`became`: promoted, wasted",
    "soundmind_tokens": "`channel`: reasoning, reply",
    "soundmind_turns": "`status`: completed, cancelled, incomplete, failed",
}


def _metrics() -> Iterator[str]:
    yield "| metric | kind | labels | |"
    yield "|---|---|---|---|"
    for metric in exposed():
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        yield f"| `{name}` | {metric.type} | {LABELS.get(metric.name, '')} | {metric.documentation} |"


def _traces() -> Iterator[str]:
    yield "| span | |"
    yield "|---|---|"
    for name, what in SPANS.items():
        yield f"| `{name}` | {what} |"
    yield ""
    yield "The root's attributes:"
    yield ""
    yield "| attribute | |"
    yield "|---|---|"
    yield "| `gen_ai.request.model` | the model's name, as clients are told it |"
    for name, (what, _) in ATTRIBUTES.items():
        yield f"| `{name}` | {what} |"


def _log() -> Iterator[str]:
    yield "| event | level | | fields |"
    yield "|---|---|---|---|"
    for name, line in LINES.items():
        level = "its own" if name == "log" else logging.getLevelName(line.level).lower()
        fields = [*(f"`{field}`" for field in line.fields), *(f"*`{field}`*" for field in line.content)]
        yield f"| `{name}` | {level} | {line.what} | {', '.join(fields)} |"


if __name__ == "__main__":
    print(page())
