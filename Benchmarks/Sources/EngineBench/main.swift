import Foundation

// Measures the engine: no-op jobs from claim to completed, on a SQLite file with synchronous=FULL or on PostgreSQL. Prints JSON.

let usage = """
    EngineBench FOLDER|URL workers COUNT QUEUED RUN | waits RATE SECONDS | statements
    """
let arguments = Array(CommandLine.arguments.dropFirst())
guard arguments.count >= 2 else { throw Failure(usage) }
let bench = try Bench(place: arguments[0])
let numbers = arguments.dropFirst(2).compactMap(Double.init)
let result: Any
switch (arguments[1], numbers.count) {
case ("workers", 3):
    let rate = try await bench.throughput(workers: Int(numbers[0]), queued: Int(numbers[1]), count: Int(numbers[2]))
    result = ["jobsPerSecond": rate]
case ("waits", 2): result = ["waits": try await bench.waits(rate: numbers[0], seconds: numbers[1])]
case ("statements", 0): result = try await bench.statements()
default: throw Failure(usage)
}
print(String(decoding: try JSONSerialization.data(withJSONObject: result, options: [.sortedKeys]), as: UTF8.self))
