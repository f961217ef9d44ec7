import Foundation

// Puts the engine alone, without HTTP, under a load that the server's doors can't make. Prints one JSON object.
//
//     EngineProof zombies FOLDER COUNT
//     EngineProof fairness FOLDER JOBS
//     EngineProof grown FOLDER FINISHED QUEUED

let arguments = Array(CommandLine.arguments.dropFirst())
guard arguments.count >= 3, let first = Int(arguments[2]) else {
    FileHandle.standardError.write(Data("EngineProof zombies|fairness|grown FOLDER NUMBER [NUMBER]\n".utf8))
    exit(2)
}
let folder = arguments[1]
let result: [String: Double] =
    switch arguments[0] {
    case "zombies": try await Zombies(folder: folder, count: first).run()
    case "fairness": try await Fairness(folder: folder, jobs: first).run()
    default: try await GrownTable(folder: folder, finished: first, queued: Int(arguments.dropFirst(3).first ?? "") ?? 0).run()
    }
print(String(decoding: try JSONSerialization.data(withJSONObject: result, options: [.sortedKeys]), as: UTF8.self))
