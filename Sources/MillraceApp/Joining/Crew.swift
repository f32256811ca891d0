import MillraceCore
import MillraceGateway
import MillraceWire

/// The workers of a joined machine: a value that takes orders and reports, and says what is to be done.
struct Crew: Sendable, Equatable {
    enum Action: Equatable, Sendable {
        case start(MachineOrders.Worker)
        case stop(String)
        case kill(String)
        case refuse(String, why: String)
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

    /// Starts what is ordered and stops what is not. What nobody in his right mind would order has ended before it began, so that the
    /// gateway hears why nothing runs, and does not wait for it.
    mutating func follow(_ orders: MachineOrders, at now: Timestamp) -> [Action] {
        guard !isDraining else { return [] }
        let wanted = Set(orders.workers.map(\.instance))
        var actions = members.keys.sorted().filter { !wanted.contains($0) }.flatMap { stop($0, at: now) }
        let isMakingRoom = members.values.contains { $0.stoppedAt != nil }
        // One whose end the gateway has not heard of yet is not begun again.
        for order in orders.workers where members[order.instance] == nil && !ended.contains(where: { $0.instance == order.instance }) {
            let obstacle = obstacle(to: order)
            // It is ordered again, and there may be room then.
            if obstacle != nil, isMakingRoom { continue }
            if let why = objection(to: order) ?? obstacle {
                tell(.init(instance: order.instance, status: "could not be started: \(why)", wasStopping: false, stderrTail: "", atRisk: []))
                actions.append(.refuse(order.instance, why: why))
            } else {
                members[order.instance] = Member(order: order)
                actions.append(.start(order))
            }
        }
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
        tell(.init(instance: id, status: status, wasStopping: member.stoppedAt != nil, stderrTail: stderrTail, atRisk: atRisk.sorted()))
    }

    private mutating func tell(_ end: MachineReport.EndedWorker) {
        ended.append(end)
        if ended.count > 1024 { ended.removeFirst() }
    }

    /// Why an order is not followed; `nil`: it is. Names become arguments and names of files.
    private func objection(to order: MachineOrders.Worker) -> String? {
        let prefix = "\(JoinedFleet.prefix)\(machine):"
        guard order.instance.hasPrefix(prefix), order.instance.dropFirst(prefix.count).isPlainName, order.endpoint[...].isPlainName,
            order.variant[...].isPlainName
        else { return "its names are not those of a worker of this machine" }
        guard endpoints?.contains(order.endpoint) ?? true else { return "this machine does not serve \(order.endpoint)" }
        if let gpu = order.gpu, !slots.gpus.contains(gpu) { return "this machine offers no GPU \"\(gpu)\"" }
        guard (0...ScalingConfiguration.drainMax.seconds).contains(order.drainSeconds) else {
            return "it would have \(order.drainSeconds) s to stop, and 24 h are the most"
        }
        return nil
    }

    /// What stands in the way of an order for as long as others run.
    private func obstacle(to order: MachineOrders.Worker) -> String? {
        guard members.count < slots.cpu + slots.gpus.count else { return "all slots of this machine are taken" }
        guard let gpu = order.gpu, members.values.contains(where: { $0.order.gpu == gpu }) else { return nil }
        return "the GPU \"\(gpu)\" is taken"
    }
}

extension Substring {
    fileprivate var isPlainName: Bool {
        (1...63).contains(utf8.count) && first != "-" && allSatisfy { $0.isASCII && ($0.isLowercase || $0.isNumber || $0 == "-") }
    }
}
