import Logging
import OutboundHTTP
import ServiceLifecycle
import WaybillEngine
import Web

/// Fetches the keys of another issuer for as long as the server runs.
struct IssuerKeysService: Service {
    /// A set of keys has some kilobytes.
    private static let bytesMax = 256 * 1024
    private static let timeout = Duration.seconds(5)

    let keys: RemoteKeys
    private let http: OutboundHTTP

    init(url: String, interval: Duration, time: any TimeSource, logger: Logger) {
        let http = OutboundHTTP()
        self.http = http
        keys = RemoteKeys(interval: interval, time: time, logger: logger) {
            try await http.get(
                url, accept: "application/jwk-set+json, application/json", bytesMax: Self.bytesMax, timeout: Self.timeout)
        }
    }

    func run() async throws {
        await cancelWhenGracefulShutdown { [keys] in await keys.run() }
        try await http.close()
    }
}
