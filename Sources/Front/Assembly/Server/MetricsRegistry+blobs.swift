import WaybillBlobs
import Web

extension MetricsRegistry {
    /// What `/metrics` tells of the store of files.
    func measure(_ meter: BlobMeter) {
        func each(_ value: @escaping @Sendable (BlobMeter.Figures) -> Double) -> @Sendable () async -> [Sample] {
            { BlobMeter.Call.allCases.map { Sample(value(meter.figures($0)), labels: [$0.rawValue]) } }
        }
        gauge(
            "waybill_blobs_calls", "Calls of the store of files since the start", labels: ["call"],
            collect: each { Double($0.count) })
        gauge("waybill_blobs_failures", "Those that failed", labels: ["call"], collect: each { Double($0.failures) })
        gauge(
            "waybill_blobs_seconds", "How long they took, all together", labels: ["call"], collect: each { $0.took / .seconds(1) }
        )
        gauge("waybill_blobs_bytes", "Bytes that went to the store and came from it since the start", labels: ["direction"]) {
            [Sample(Double(meter.bytesWritten), labels: ["written"]), Sample(Double(meter.bytesRead), labels: ["read"])]
        }
    }
}
