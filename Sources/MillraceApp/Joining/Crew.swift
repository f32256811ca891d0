import MillraceCore
import MillraceGateway
import MillraceWire

/// The workers of a joined machine: a value that takes orders and reports, and says what is to be done.
struct Crew: Sendable, Equatable {
    enum Action: Equatable, Sendable {
        case start(MachineOrders.Worker)
        case stop(String)
        case kill(String)
    }
    private struct Member: Equatable {
        var order: MachineOrders.Worker
        var stoppedAt: Timestamp?
        var isKilled = false
    }

    let machine: String
    /// Of this start of the agent alone.
    let run: String
    let slots: MachineReport.Slots
    /// `nil`: whatever is ordered.
    let endpoints: Set<String>?
    private var members: [String: Member] = [:]
    private var ended: [MachineReport.EndedWorker] = []
    private(set) var isDraining = false

    init(machine: String, run: String, slots: MachineReport.Slots, endpoints: Set<String>?) {
        self.machine = machine
        self.run = run
        self.slots = slots
        self.endpoints = endpoints
    }

    var isEmpty: Bool { members.isEmpty }

    func report(waitSeconds: Double) -> MachineReport {
        MachineReport(
            machine: machine, run: run, slots: slots, endpoints: endpoints?.sorted(), isDraining: isDraining,
            workers: members.values.sorted { $0.order.instance < $1.order.instance }.map {
                .init(instance: $0.order.instance, gpu: $0.order.gpu, isStopping: $0.stoppedAt != nil)
            }, ended: ended, waitSeconds: waitSeconds)
    }

    /// The gateway has heard a report: what it said of ends need not be said again.
    mutating func wasHeard(_ report: MachineReport) {
        let told = Set(report.ended.map(\.instance))
        ended.removeAll { told.contains($0.instance) }
    }

    /// Starts what is ordered and stops what is not. What nobody in his right mind would order is left out.
    mutating func follow(_ orders: MachineOrders, at now: Timestamp) -> [Action] {
        guard !isDraining else { return [] }
        var actions: [Action] = []
        for order in orders.workers where members[order.instance] == nil && isSound(order) && members.count < slots.cpu + slots.gpus.count {
            members[order.instance] = Member(order: order)
            actions.append(.start(order))
        }
        let wanted = Set(orders.workers.map(\.instance))
        for id in members.keys.sorted() where !wanted.contains(id) { actions += stop(id, at: now) }
        return actions
    }

    /// The machine is about to stop: all workers finish or give back what they hold.
    mutating func drain(at now: Timestamp) -> [Action] {
        isDraining = true
        return members.keys.sorted().flatMap { stop($0, at: now) }
    }

    private mutating func stop(_ id: String, at now: Timestamp) -> [Action] {
        guard members[id]?.stoppedAt == nil else { return [] }
        members[id]?.stoppedAt = now
        return [.stop(id)]
    }

    /// Those that were asked to stop and did not in time.
    mutating func overdue(at now: Timestamp) -> [Action] {
        var actions: [Action] = []
        for (id, member) in members.sorted(by: { $0.key < $1.key }) where !member.isKilled {
            guard let stoppedAt = member.stoppedAt, now.since(stoppedAt) > .milliseconds(Int64(member.order.drainSeconds * 1000)) else { continue }
            members[id]?.isKilled = true
            actions.append(.kill(id))
        }
        return actions
    }

    mutating func ended(_ id: String, status: String, stderrTail: String, atRisk: Set<JobID>) {
        guard let member = members.removeValue(forKey: id) else { return }
        ended.append(
            .init(instance: id, status: status, wasStopping: member.stoppedAt != nil, stderrTail: stderrTail, atRisk: atRisk.sorted()))
        if ended.count > 1024 { ended.removeFirst() }
    }

    /// Names become arguments and names of files.
    private func isSound(_ order: MachineOrders.Worker) -> Bool {
        let prefix = "\(JoinedFleet.prefix)\(machine):"
        return order.instance.hasPrefix(prefix) && order.instance.dropFirst(prefix.count).isPlainName && order.endpoint[...].isPlainName
            && order.variant[...].isPlainName && (endpoints?.contains(order.endpoint) ?? true)
            && (order.gpu.map { gpu in slots.gpus.contains(gpu) && !members.values.contains { $0.order.gpu == gpu } } ?? true)
            && order.drainSeconds.isFinite && (0...86_400).contains(order.drainSeconds)
    }
}

extension Substring {
    fileprivate var isPlainName: Bool {
        (1...63).contains(utf8.count) && first != "-" && allSatisfy { $0.isASCII && ($0.isLowercase || $0.isNumber || $0 == "-") }
    }
}
