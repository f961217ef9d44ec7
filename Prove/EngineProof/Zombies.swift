import Foundation
import Logging
import Synchronization
import WaybillBlobs
import WaybillDatabases
import WaybillEngine

/// Attempts whose node stands still past their leases while another node takes their jobs over, and which then go on.
///
/// Two engines work on one database and one blob store. The first one's clock stands still, so its heart does not beat, and its
/// handlers stand in the midst of their work; the second one claims all jobs and is in the midst of them when the first goes on.
struct Zombies {
    let stores: Stores
    let count: Int

    func run() async throws -> [String: Double] {
        let mine = try await stores.openEmpty()
        // Nodes that share a database have connections of their own to it.
        let theirs = stores.isShared ? try stores.open() : mine
        let result = try await stores.withBlobs { try await run(mine.database, theirs.database, $0) }
        try await mine.close()
        if stores.isShared { try await theirs.close() }
        return result
    }

    private func run(
        _ mine: any SQLDatabase, _ theirs: any SQLDatabase, _ blobs: any BlobStore
    ) async throws -> [String: Double] {
        let scene = Scene()
        let stopped = engine("stopped", mine, blobs, scene, StoppableTime(scene: scene))
        let other = engine("other", theirs, blobs, scene, WallTime())
        let owner = try principal("proof")
        let first = Task { try await stopped.run() }
        var jobs: [JobID] = []
        for _ in 0..<count { jobs.append(try await stopped.enqueue(Contested.self, Nothing(), for: owner).id) }
        await scene.wait { $0.standing == count }
        scene.change { $0.isStopped = true }
        let second = Task { try await other.run() }
        await scene.wait { $0.taken == count }
        // The dead go on, while the living are still at it.
        scene.change { $0.goesOn = true }
        await scene.wait { $0.refused + $0.accepted == count }
        scene.change { $0.mayFinish = true }
        var completed = 0
        for job in jobs { completed += try await end(of: job, other).state == .completed ? 1 : 0 }
        scene.change { $0.isStopped = false }
        let wrong = try await wrongOutputs(jobs, other, blobs)
        for task in [first, second] { task.cancel() }
        _ = await (first.result, second.result)
        let state = scene.state
        return [
            "tried": Double(count), "refused": Double(state.refused), "accepted": Double(state.accepted),
            "completed": Double(completed), "wrongOutputs": Double(wrong),
        ]
    }

    private func engine(
        _ name: String, _ database: any SQLDatabase, _ blobs: any BlobStore, _ scene: Scene, _ time: any TimeSource
    ) -> JobEngine {
        JobEngine(
            database: database, blobs: blobs, handlers: JobHandlers([Contested(node: name, scene: scene)]),
            configuration: EngineConfiguration(
                leaseSeconds: 2, workers: count, isAlone: false, leaseClock: stores.isShared ? .database : .node),
            name: name, time: time,
            logger: Logger(label: name) { _ in SwiftLogNoOpLogHandler() })
    }

    private func end(of job: JobID, _ engine: JobEngine) async throws -> JobRecord {
        while true {
            if let record = try await engine.find(job), record.state.isFinal { return record }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Jobs whose output or artifact is not the living one's alone.
    private func wrongOutputs(_ jobs: [JobID], _ engine: JobEngine, _ blobs: any BlobStore) async throws -> Int {
        var wrong = 0
        for job in jobs {
            let artifacts = try await engine.artifacts(of: job)
            let record = try await engine.find(job)
            var bytes: [UInt8] = []
            for segment in artifacts.flatMap(\.segments) {
                for try await chunk in try await blobs.read(segment.key, range: 0..<segment.length) { bytes += chunk }
            }
            let isRight =
                record?.output?.contains("other") == true && artifacts.count == 1 && bytes == Array("other".utf8)
                && artifacts[0].artifact.length == Int64(bytes.count)
            wrong += isRight ? 0 : 1
        }
        return wrong
    }
}

/// Where everybody is.
final class Scene: Sendable {
    struct State: Sendable {
        var standing = 0
        var taken = 0
        var isStopped = false
        var goesOn = false
        var mayFinish = false
        var refused = 0
        var accepted = 0
    }

    private let held = Mutex(State())
    var state: State { held.withLock { $0 } }

    func change(_ body: (inout State) -> Void) { held.withLock { body(&$0) } }

    /// Waits as long as it takes, whatever is cancelled: a process that stands still hears nothing.
    func wait(_ condition: (State) -> Bool) async {
        while !condition(state) {
            await withCheckedContinuation { waiter in
                DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(5)) { waiter.resume() }
            }
        }
    }
}

/// A clock that stands still while its node is stopped.
struct StoppableTime: TimeSource {
    let scene: Scene

    func now() -> Timestamp { WallTime().now() }

    func sleep(until deadline: Timestamp) async throws {
        try await WallTime().sleep(until: deadline)
        await scene.wait { !$0.isStopped }
    }
}

/// Appends its node's name to an output, and commits when it is told to.
struct Contested: JobHandler {
    static let kind: JobKind = "proof.contested"
    struct Output: Codable, Sendable { var node: String }

    let node: String
    let scene: Scene

    func run(_ input: Nothing, from checkpoint: Nothing?, in job: JobContext<Nothing>) async throws -> Output {
        // A death after a checkpoint is no reason to suspect the job, and suspects would be run one at a time.
        try await job.commit(Nothing())
        let output = try await job.artifact("node.txt", contentType: "text/plain")
        try await output.append(Array(node.utf8))
        if node == "other" {
            scene.change { $0.taken += 1 }
            await scene.wait { $0.mayFinish }
            return Output(node: node)
        }
        scene.change { $0.standing += 1 }
        await scene.wait { $0.goesOn }
        do {
            try await job.commit(Nothing(), progress: 50)
            scene.change { $0.accepted += 1 }
        } catch {
            scene.change { $0.refused += 1 }
            throw error
        }
        return Output(node: node)
    }
}
