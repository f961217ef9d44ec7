import Foundation

// Puts the engine alone, without HTTP, under a load that the server's doors can't make. Prints one JSON object.
//
//     EngineProof zombies FOLDER COUNT
//     EngineProof fairness FOLDER JOBS
//     EngineProof grown FOLDER FINISHED QUEUED SECONDS
//
// PROOF_DATABASE_URL and PROOF_BLOBS_URL put it on PostgreSQL and a bucket.

let arguments = Array(CommandLine.arguments.dropFirst())
guard arguments.count >= 3, let first = Int(arguments[2]) else {
    FileHandle.standardError.write(Data("EngineProof zombies|fairness|grown FOLDER NUMBER [NUMBER]\n".utf8))
    exit(2)
}
let stores = Stores(folder: arguments[1])
let numbers = arguments.dropFirst(2).compactMap { Int($0) }
let result: [String: Double] =
    switch arguments[0] {
    case "zombies": try await Zombies(stores: stores, count: first).run()
    case "fairness": try await Fairness(stores: stores, jobs: first).run()
    default:
        try await GrownTable(
            stores: stores, finished: first, queued: numbers.dropFirst().first ?? 0, heldSeconds: numbers.dropFirst(2).first ?? 4
        ).run()
    }
print(String(decoding: try JSONSerialization.data(withJSONObject: result, options: [.sortedKeys]), as: UTF8.self))
