/// What somebody, or a tenant, holds and may hold. Bytes are as they are charged: by the cost factor of their pool.
struct Usage: Sendable, Hashable {
    struct Amount: Sendable, Hashable {
        var bytes: Int64 = 0
        var files: Int64 = 0
    }

    var used = Amount()
    /// For uploads that have not ended.
    var reserved = Amount()
    /// Nil: as many as there may be.
    var bytesMax: Int64?
    var filesMax: Int64?

    /// What a file of a size is charged with.
    static func charge(_ size: Int64, factor: Double) -> Int64 {
        guard factor != 1 else { return size }
        let charged = (Double(size) * factor).rounded(.up)
        return Int64(exactly: min(charged, 9e18)) ?? .max
    }
}

/// A quota has no room left.
struct QuotaFull: Error, Sendable, Hashable {
    enum Whose: String, Sendable { case account, tenant }

    var whose: Whose
    var usage: Usage
    /// What was asked for.
    var wanted: Int64
}
