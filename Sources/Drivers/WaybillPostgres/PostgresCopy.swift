import CLibPQ
import Dispatch
import WaybillDatabases

/// COPY as a stream, on a connection of its own. The server waits while the other side does.
public struct PostgresCopy: Sendable {
    private static let chunkBytes = 256 * 1024
    private let options: ConnectionOptions

    /// - Parameter url: as that of a `PostgresDatabase`.
    /// - Throws: `SQLError` with code `.unavailable` if the URL can't be read.
    public init(url: String, configuration: PostgresConfiguration = PostgresConfiguration()) throws {
        options = ConnectionOptions(
            address: try PostgresAddress(url), configuration: configuration, applicationName: "waybill-copy")
    }

    init(_ options: ConnectionOptions) {
        self.options = options
    }

    /// Runs `COPY … TO STDOUT` and hands its bytes out as they come, some hundred KiB at a time. The next ones are read once
    /// `consume` has returned.
    /// - Throws: `SQLError`, what `consume` throws, or `CancellationError`.
    public func out(_ sql: String, _ consume: (_ bytes: [UInt8]) async throws -> Void) async throws {
        try await withConnection { connection in
            try await connection.perform { try $0.startCopy(sql, PGRES_COPY_OUT) }
            while let bytes = try await connection.perform({ try $0.receiveCopy(about: Self.chunkBytes) }) {
                try Task.checkCancellation()
                try await consume(bytes)
            }
        }
    }

    /// Runs `COPY … FROM STDIN` with the bytes of a sequence, in one transaction of its own: all rows or none.
    /// - Returns: how many rows were copied.
    /// - Throws: `SQLError`, what the sequence throws, or `CancellationError`; then there are none.
    @discardableResult
    public func into<Chunks: AsyncSequence>(_ sql: String, _ chunks: Chunks) async throws -> Int
    where Chunks.Element == [UInt8] {
        try await into(sql, chunks, before: { _ in }, after: { _ in })
    }

    /// - Parameters:
    ///   - before: what comes on the same connection before the rows.
    ///   - after: what comes after them.
    func into<Chunks: AsyncSequence>(
        _ sql: String, _ chunks: Chunks, before: @escaping @Sendable (PostgresConnection) throws -> Void,
        after: @escaping @Sendable (PostgresConnection) throws -> Void
    ) async throws -> Int where Chunks.Element == [UInt8] {
        try await withConnection { connection in
            try await connection.perform(before)
            try await connection.perform { try $0.startCopy(sql, PGRES_COPY_IN) }
            do {
                for try await chunk in chunks {
                    try Task.checkCancellation()
                    try await connection.perform { try $0.sendCopy(chunk) }
                }
            } catch {
                _ = try await connection.perform { try $0.endCopy(refusal: "the sender gave up") }
                throw error
            }
            let count = try await connection.perform { try $0.endCopy(refusal: nil) }
            try await connection.perform(after)
            return count
        }
    }

    private func withConnection<T>(_ body: (PostgresConnection) async throws -> T) async throws -> T {
        let queue = DispatchQueue(label: "waybill.postgres.copy")
        let connection: PostgresConnection = try await withCheckedThrowingContinuation { caller in
            queue.async { caller.resume(with: Result { try telling { try PostgresConnection(options, queue: queue) } }) }
        }
        do {
            let result = try await body(connection)
            try await connection.perform { $0.close() }
            return result
        } catch {
            try await connection.perform { $0.close() }
            throw error
        }
    }
}

/// Hands out `SQLError` where the driver has more to say.
private func telling<T>(_ act: () throws -> T) throws -> T {
    do {
        return try act()
    } catch let failure as PostgresFailure {
        throw failure.error
    }
}

extension PostgresConnection {
    /// Runs a call on the connection's own thread.
    /// - Throws: `SQLError`, or what `body` throws.
    fileprivate func perform<T: Sendable>(_ body: @escaping @Sendable (PostgresConnection) throws -> T) async throws -> T {
        try await withCheckedThrowingContinuation { caller in
            queue.async { caller.resume(with: Result { try telling { try body(self) } }) }
        }
    }

    fileprivate func startCopy(_ sql: String, _ direction: ExecStatusType) throws {
        guard let result = watch.waiting({ PQexec(handle, sql) }) else { throw PostgresFailure(lost: handle) }
        defer { PQclear(result) }
        guard PQresultStatus(result) == direction else {
            guard PQresultStatus(result) == PGRES_FATAL_ERROR else { throw SQLError(.other, "this is no such COPY: \(sql)") }
            throw PostgresFailure(result, connection: handle)
        }
        isCopying = true
    }

    /// - Returns: whole rows, about so many bytes of them; nil after the last.
    fileprivate func receiveCopy(about count: Int) throws -> [UInt8]? {
        guard isCopying else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + 4096)
        while bytes.count < count {
            var row: UnsafeMutablePointer<CChar>?
            let length = watch.copied(handle, &row)
            if let row, length > 0 {
                bytes.append(contentsOf: UnsafeRawBufferPointer(start: row, count: Int(length)))
                PQfreemem(row)
                continue
            }
            if length == -2 { throw PostgresFailure(lost: handle) }
            isCopying = false
            try readEnd()
            return bytes.isEmpty ? nil : bytes
        }
        return bytes
    }

    fileprivate func sendCopy(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let part = rest.prefix(1 << 24)
            let sent = part.withUnsafeBytes { bytes in
                watch.waiting {
                    PQputCopyData(
                        handle, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(truncatingIfNeeded: bytes.count))
                }
            }
            guard sent == 1 else { throw PostgresFailure(lost: handle) }
            rest = rest.dropFirst(part.count)
        }
    }

    /// - Returns: how many rows were copied.
    @discardableResult
    fileprivate func endCopy(refusal: String?) throws -> Int {
        guard watch.waiting({ PQputCopyEnd(handle, refusal) }) == 1 else { throw PostgresFailure(lost: handle) }
        guard refusal == nil else {
            // The answer is the refusal that was asked for.
            while let result = watch.result(handle) { PQclear(result) }
            return 0
        }
        return try readEnd()
    }

    @discardableResult
    private func readEnd() throws -> Int {
        var count = 0
        var failure: PostgresFailure?
        while let result = watch.result(handle) {
            if PQresultStatus(result) == PGRES_COMMAND_OK {
                count = PQcmdTuples(result).flatMap { Int(String(cString: $0)) } ?? 0
            } else {
                failure = failure ?? PostgresFailure(result, connection: handle)
            }
            PQclear(result)
        }
        if let failure { throw failure }
        return count
    }
}
