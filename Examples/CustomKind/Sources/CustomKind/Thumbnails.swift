import WaybillEngine

/// A kind of one's own: makes small pictures of an album, one file of them all. Killed at any moment, it goes on after the last
/// picture that was committed, and the file has the same bytes.
struct Thumbnails: JobHandler {
    static let kind: JobKind = "thumbnails"

    struct Input: Codable, Sendable {
        var album: [String]
    }

    struct Checkpoint: Codable, Sendable {
        var done: Int
    }

    struct Output: Codable, Sendable {
        var pictures: Int
    }

    func run(_ input: Input, from checkpoint: Checkpoint?, in job: JobContext<Checkpoint>) async throws -> Output {
        let file = try await job.artifact("thumbnails.txt", contentType: "text/plain")
        for (index, picture) in input.album.enumerated().dropFirst(checkpoint?.done ?? 0) {
            guard !picture.isEmpty else { throw JobFailure(code: "NO_PICTURE", message: "Picture \(index + 1) has no name.") }
            try await file.append(Array("small \(picture)\n".utf8))
            if job.shouldCommit {
                try await job.commit(Checkpoint(done: index + 1), progress: Double(index + 1) / Double(input.album.count) * 100)
            }
        }
        return Output(pictures: input.album.count)
    }
}
