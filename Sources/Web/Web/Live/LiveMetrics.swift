/// What is counted of live connections. No label has a value that a client could choose.
struct LiveMetrics: Sendable {
    private let open: Gauge
    private let packets: Counter
    private let ended: Counter

    init(_ registry: MetricsRegistry) {
        open = registry.gauge("waybill_live_connections", "WebSockets that are open.")
        packets = registry.counter("waybill_live_packets_total", "Packets for those who listen.", labels: ["type"])
        ended = registry.counter("waybill_live_ended_total", "WebSockets that ended, by why.", labels: ["reason"])
    }

    func began() { open.add(1) }
    func offered(_ type: String) { packets.add(1, type) }

    func ended(_ reason: LiveEnding) {
        open.add(-1)
        ended.add(1, reason.rawValue)
    }
}
