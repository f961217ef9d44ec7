/// What is counted of every request.
struct HTTPMetrics: Sendable {
    private static let methods: Set<String> = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    private let requests: Counter
    private let seconds: Histogram
    private let open: Gauge

    init(_ registry: MetricsRegistry) {
        requests = registry.counter("waybill_http_requests_total", "Requests that ended.", labels: ["method", "route", "status"])
        seconds = registry.histogram(
            "waybill_http_request_seconds", "From a request's head to its answer's head, or to the end of a stream.",
            labels: ["route"],
            bounds: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30])
        open = registry.gauge("waybill_http_requests_open", "Requests that are being answered.")
    }

    func began() { open.add(1) }

    func ended(method: String, route: String, status: Int, taken: Duration) {
        open.add(-1)
        requests.add(1, HTTPMetrics.methods.contains(method) ? method : "other", route, "\(status)")
        seconds.observe(taken / .seconds(1), route)
    }
}
