import Foundation

/// What only the process itself knows. The one place that asks it.
public enum ProcessFacts {
    public static var environment: [String: String] { ProcessInfo.processInfo.environment }

    /// The name of this machine.
    static var host: String { ProcessInfo.processInfo.hostName }

    /// Microseconds since 1970.
    public static var clock: Int64 { Int64(Date().timeIntervalSince1970 * 1_000_000) }
}
