import Crypto
import NIOCore
import Synchronization
import WaybillEngine

extension UploadService {
    /// Takes a whole chunk to its place.
    /// - Parameter start: where the sink begins is where the first byte of it is missing.
    func receive(
        _ range: Range<Int64>, of begun: Upload, _ start: StagedSink, _ session: UploadSession, _ writing: @escaping Writing,
        _ next: () async throws -> ByteBuffer?
    ) async throws -> Upload {
        try await withThrowingTaskGroup(of: Void.self) { work in
            var (sink, end) = (start, range.lowerBound)
            while var bytes = try await next() {
                guard Int64(bytes.readableBytes) <= range.upperBound - end else {
                    throw try await surplus(range, behind: end, bytes, next)
                }
                let isThere = min(Int64(bytes.readableBytes), max(0, start.end - end))
                end += Int64(bytes.readableBytes)
                bytes.moveReaderIndex(forwardBy: Int(isThere))
                try await sink.append(bytes, &work)
            }
            guard end == range.upperBound else {
                throw UploadRefusal.wrongLength(expected: range.upperBound - range.lowerBound)
            }
            try await sink.drain(&work)
            return try await commit(sink.received(from: start.end), of: begun, session, writing)
        }
    }

    /// What to say to a chunk that is longer than it should be: whether it is longer than any may be.
    private func surplus(
        _ range: Range<Int64>, behind end: Int64, _ bytes: ByteBuffer, _ next: () async throws -> ByteBuffer?
    ) async throws -> UploadRefusal {
        var count = end - range.lowerBound + Int64(bytes.readableBytes)
        while count <= limits.chunkBytesMax, let bytes = try await next() { count += Int64(bytes.readableBytes) }
        return count > limits.chunkBytesMax
            ? .tooLarge(max: limits.chunkBytesMax) : .wrongLength(expected: range.upperBound - range.lowerBound)
    }

    /// Appends the bytes of a request. Now and then those that came are made durable, while the next ones come.
    func receive(
        _ begun: Upload, _ start: StagedSink, _ session: UploadSession, verify: (() async throws -> Void)?,
        progressed: (Upload) async -> Void, _ writing: @escaping Writing, _ next: () async throws -> ByteBuffer?
    ) async throws -> Upload {
        try await withThrowingTaskGroup(of: Upload.self) { committing in
            try await withThrowingTaskGroup(of: Void.self) { work in
                var (sink, steps) = (start, AppendSteps(begun, at: start.end, bytes: feature.configuration.appendStepBytes))
                var broken: (any Error)?
                do {
                    while let bytes = try await next() {
                        let max = steps.current.size ?? limits.fileBytesMax
                        guard Int64(bytes.readableBytes) <= max - sink.end else { throw UploadRefusal.tooLarge(max: max) }
                        try await sink.append(bytes, &work)
                        guard verify == nil else { continue }
                        if steps.isDone, let stored = try await steps.done(&committing) { await progressed(stored) }
                        guard let due = steps.due(sink.end, now: now) else { continue }
                        try await sink.drain(&work)
                        if let stored = try await steps.done(&committing) { await progressed(stored) }
                        let (current, mark) = steps.begin(to: sink.written)
                        let step = sink.endStep(from: current.stored.prefix)
                        committing.addTask {
                            defer { mark.set() }
                            return try await commit(step, of: current, session) { _, _ in }
                        }
                        if due == .byTime, let stored = try await steps.done(&committing) { await progressed(stored) }
                    }
                    try await verify?()
                } catch {
                    guard verify == nil else { throw error }
                    broken = error
                }
                let failed = await Self.error { try await sink.drain(&work) }
                _ = try await steps.done(&committing)
                let rest = sink.received(from: steps.current.stored.prefix)
                guard let broken = broken ?? failed else { return try await commit(rest, of: steps.current, session, writing) }
                // Behind a step that has failed a piece has no place.
                if !rest.range.isEmpty, rest.target.covers(rest.range) {
                    _ = try await commit(rest, of: steps.current, session) { _, _ in }
                }
                throw broken
            }
        }
    }

    private static func error(of body: () async throws -> Void) async -> (any Error)? {
        do {
            try await body()
            return nil
        } catch {
            return error
        }
    }
}

/// The steps in which appended bytes become durable, one after another.
private struct AppendSteps {
    enum Due { case byBytes, byTime }

    /// Is set when a step is over, so that nobody has to wait to know.
    final class Mark: Sendable {
        private let isOver = Atomic<Bool>(false)
        var isSet: Bool { isOver.load(ordering: .acquiring) }
        func set() { isOver.store(true, ordering: .releasing) }
    }

    private static let time = Duration.seconds(5)
    /// After so many bytes, or after `time`, those that came are made durable.
    private let bytes: Int64

    /// The upload after the last step that is over.
    private(set) var current: Upload
    private var running: Mark?
    private var begun: Int64

    init(_ upload: Upload, at start: Int64, bytes: Int64) {
        self.bytes = bytes
        current = upload
        begun = start
    }

    /// Whether there is a step that has come to its end.
    var isDone: Bool { running?.isSet ?? false }

    func due(_ end: Int64, now: Timestamp) -> Due? {
        if end - begun >= bytes { return .byBytes }
        return running == nil && end > begun && now.since(current.activeAt) >= Self.time ? .byTime : nil
    }

    mutating func begin(to end: Int64) -> (upload: Upload, mark: Mark) {
        let mark = Mark()
        running = mark
        begun = end
        return (current, mark)
    }

    /// Waits for the step that is running.
    /// - Returns: the upload after it, or nil if there is none.
    mutating func done(_ committing: inout ThrowingTaskGroup<Upload, any Error>) async throws -> Upload? {
        guard running != nil else { return nil }
        running = nil
        guard let stored = try await committing.next() else { return nil }
        current = stored
        return stored
    }
}
