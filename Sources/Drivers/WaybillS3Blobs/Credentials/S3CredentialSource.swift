import Synchronization
import WaybillBlobs

/// The credentials of this moment. It renews those that end before they do, and looks again when a store refuses them.
public final class S3CredentialSource: Sendable {
    /// How long before their end credentials are renewed.
    private static let margin: Int64 = 300_000_000
    /// How old what was read from a file may be.
    private static let fileAge: Int64 = 60_000_000
    /// How long what was loaded is not loaded again, whatever the store says.
    private static let pause: Int64 = 1_000_000

    private struct State {
        var known: S3Credentials?
        var loadedAt: Int64 = .min
        var isLoading = false
    }

    private let state = Mutex(State())
    private let isFile: Bool
    private let keeps: Bool
    private let now: @Sendable () -> Int64
    private let load: @Sendable () async throws -> S3Credentials

    /// - Parameter now: microseconds since 1970.
    public convenience init(_ place: S3CredentialPlace, now: @escaping @Sendable () -> Int64) {
        let loader = S3CredentialLoader(place)
        if case .file = place {
            self.init(isFile: true, keeps: true, now: now) { try await loader.load() }
        } else {
            self.init(isFile: false, keeps: true, now: now) { try await loader.load() }
        }
    }

    /// Asks for each request.
    public convenience init(asking: @escaping @Sendable () async throws -> S3Credentials) {
        self.init(isFile: false, keeps: false, now: { 0 }, load: asking)
    }

    init(
        isFile: Bool, keeps: Bool, now: @escaping @Sendable () -> Int64,
        load: @escaping @Sendable () async throws -> S3Credentials
    ) {
        self.isFile = isFile
        self.keeps = keeps
        self.now = now
        self.load = load
    }

    /// - Throws: `S3Failure`, or what the one who is asked throws.
    func credentials() async throws -> S3Credentials {
        guard keeps else { return try await load() }
        let now = now()
        let (known, isLoader) = state.withLock { state in
            guard isDue(state, now: now), !state.isLoading || !isGood(state.known, now: now) else { return (state.known, false) }
            state.isLoading = true
            return (state.known, true)
        }
        if let known, !isLoader { return known }
        do {
            return try await loadNow(now)
        } catch {
            // Those that are still good do until the next try.
            if let known, isGood(known, now: now) { return known }
            throw error
        }
    }

    /// Looks for others after a store has refused some.
    /// - Returns: nil if there are none.
    func renewed(after refused: S3Credentials) async throws -> S3Credentials? {
        guard keeps else {
            let asked = try await load()
            return asked == refused ? nil : asked
        }
        let now = now()
        let (known, loadedAt) = state.withLock { ($0.known, $0.loadedAt) }
        if let known, known != refused { return known }
        guard now.subtractingReportingOverflow(loadedAt).partialValue >= Self.pause else { return nil }
        let fresh = try await loadNow(now)
        return fresh == refused ? nil : fresh
    }

    private func loadNow(_ now: Int64) async throws -> S3Credentials {
        defer { state.withLock { $0.isLoading = false } }
        let fresh = try await load()
        state.withLock { state in
            state.known = fresh
            state.loadedAt = now
        }
        return fresh
    }

    private func isDue(_ state: State, now: Int64) -> Bool {
        guard let known = state.known else { return true }
        let age = now - max(0, state.loadedAt)
        if isFile, age >= Self.fileAge { return true }
        guard let end = known.expiresAt else { return false }
        // What is lent for less than the margin is not asked for with each request.
        return end.subtractingReportingOverflow(now).partialValue < Self.margin && age >= 10 * Self.pause
    }

    private func isGood(_ credentials: S3Credentials?, now: Int64) -> Bool {
        credentials.map { ($0.expiresAt ?? .max) > now } ?? false
    }
}
