"""Tables and a chart of what bench/run measured."""

NAMES = {"ferry": "ferry", "ferry-raw": "ferry, raw payload", "ferry-json": "ferry, JSON types", "nest": "NestJS", "zmq": "ZeroMQ", "callbacks": "nats.c, callbacks"}
BARE = {"tcp": "bare Asio", "redis": "bare hiredis", "nats": "bare nats.c", "rmq": "bare rabbitmq-c", "mqtt": "bare Paho C", "kafka": "bare librdkafka", "grpc": "bare gRPC C++"}
TITLES = {"tcp": "TCP", "redis": "Redis", "nats": "NATS", "rmq": "RabbitMQ", "mqtt": "MQTT", "kafka": "Kafka", "grpc": "gRPC"}
COLOURS = {"callbacks": "#d4a72c", "bare": "#9aa5b1", "ferry": "#1f6feb", "ferry-raw": "#79b8ff", "ferry-json": "#79b8ff", "nest": "#e0234e", "zmq": "#d4a72c"}


def name_of(peer, transport):
    return BARE[transport] if peer == "bare" else NAMES[peer]


def rate(value):
    return f"{value / 1e6:.2f} M" if value >= 1e6 else f"{value / 1e3:.1f} k" if value >= 1e4 else f"{value:.0f}"


def ratio(figures, peer, other):
    if not figures.get(other, {}).get("rate"):
        return "–"
    return f"{figures[peer]['rate'] / figures[other]['rate']:.2f}"


def table(head, rows):
    if not rows:
        return ""
    widths = [max(len(str(row[i])) for row in [head, *rows]) for i in range(len(head))]
    line = lambda row: "| " + " | ".join(str(cell).ljust(width) for cell, width in zip(row, widths)) + " |"
    return "\n".join([line(head), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(line, rows)]) + "\n"


def throughput(cases, transport):
    present = {peer for figures in cases.values() for peer in figures}
    others = [peer for peer in ("bare", "callbacks", "nest", "zmq") if peer in present]
    rows = []
    for key, figures in cases.items():
        if key.endswith("one core"):
            continue
        for peer in figures:
            one = figures[peer]
            if "failed" in one:
                rows.append([key, name_of(peer, transport), "breaks down", *["–"] * (len(others) + 3)])
                continue
            rows.append([key, name_of(peer, transport), rate(one["rate"]), *(ratio(figures, peer, other) for other in others),
                         f"{one['client_cpu_us']:.2f} + {one['service_cpu_us']:.2f}", f"{one['client_mib']:.0f} + {one['service_mib']:.0f}", f"{100 * one['spread']:.0f} %"])
    heads = {"bare": "÷ bare", "callbacks": "÷ callbacks", "nest": "÷ NestJS", "zmq": "÷ ZeroMQ"}
    return table(["job/payload/in flight", "peer", "messages/s", *(heads[other] for other in others),
                  "CPU µs (client + service)", "peak MiB", "spread"], rows)


def latency(cases, transport):
    rows = []
    for key, figures in cases.items():
        if not key.endswith("one core"):
            continue
        for peer in figures:
            one = figures[peer]
            if "failed" in one:
                rows.append([key, name_of(peer, transport), "breaks down", *["–"] * 3])
                continue
            over = f"{one['p50_us'] - figures['bare']['p50_us']:+.1f}" if "p50_us" in figures.get("bare", {}) else "–"
            rows.append([key, name_of(peer, transport), f"{one['p50_us']:.1f}", over, f"{one['p99_us']:.1f}", f"{one['cpu_us']:.2f}"])
    return table(["one in flight, everything on one core", "peer", "p50 µs", "beside bare", "p99 µs", "CPU µs"], rows)


def tables(figures):
    machine, transport = figures["machine"], figures["transport"]
    head = (f"{TITLES[transport]}; {machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}; load {machine['load_before']:.2f} before, "
            f"{machine['load_after']:.2f} after; medians of {figures['repetitions']} × {figures['seconds']} s, peers in turn; "
            "spread: (fastest − slowest) ÷ median\n")
    return "\n".join(filter(None, [head, throughput(figures["cases"], transport), latency(figures["cases"], transport)]))


def chart(figures):
    """Bars of messages/s at 256 in flight, on a logarithmic scale: peers differ by far more than a linear one shows."""
    import math
    transport = figures["transport"]
    groups = [(key, peers) for key, peers in figures["cases"].items() if key.endswith("/256")]
    width, left, bar, gap, top = 860, 190, 16, 22, 56
    low, high = 3, 7   # powers of ten
    x = lambda value: left + (math.log10(max(value, 10**low)) - low) / (high - low) * (width - left - 70)
    body, y = [], top
    for key, peers in groups:
        job, size, _ = key.split("/")
        names = {"sum": "request, sum [1,2,3]", "echo": f"request, echo {size}", "event": f"event, {size}", "flow": "message of a stream"}
        body.append(f'<text x="{left - 10}" y="{y + bar * len(peers) / 2 + 4}" text-anchor="end">{names[job]}</text>')
        for peer, one in peers.items():
            if "failed" in one:
                body.append(f'<text class="n" x="{left + 5}" y="{y + 10}">{name_of(peer, transport)} breaks down</text>')
                y += bar
                continue
            end = x(one["rate"])
            body.append(f'<rect x="{left}" y="{y}" width="{end - left:.1f}" height="{bar - 3}" fill="{COLOURS[peer]}"/>'
                        f'<text class="n" x="{end + 5:.1f}" y="{y + 10}">{rate(one["rate"])}</text>')
            y += bar
        y += gap
    grid = []
    for power in range(low, high + 1):
        label = {3: "1 k", 4: "10 k", 5: "100 k", 6: "1 M", 7: "10 M"}[power]
        grid.append(f'<line x1="{x(10**power):.1f}" x2="{x(10**power):.1f}" y1="{top - 8}" y2="{y - gap + 4}" stroke="#d0d7de"/>'
                    f'<text class="n" x="{x(10**power):.1f}" y="{y - gap + 18}" text-anchor="middle">{label}</text>')
    legend, at = [], left
    for peer in dict.fromkeys(peer for _, peers in groups for peer in peers):
        legend.append(f'<rect x="{at}" y="30" width="12" height="12" fill="{COLOURS[peer]}"/>'
                      f'<text class="n" x="{at + 17}" y="40">{name_of(peer, transport)}</text>')
        at += 40 + 7 * len(name_of(peer, transport))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y + 10}" font-family="sans-serif" font-size="13">\n'
            '<style>.n{font-size:11px;fill:#57606a}</style><rect width="100%" height="100%" fill="#fff"/>\n'
            f'<text x="10" y="20" font-weight="bold">{TITLES[transport]}: messages per second, 256 in flight (logarithmic)</text>\n'
            + "\n".join(legend + grid + body) + "\n</svg>\n")
