//! Who joins a flight, and what becomes of it.

use super::*;

const CLIENT: &str = "192.0.2.1";

#[tokio::test]
async fn the_second_follows_the_first_and_both_learn_the_outcome() {
    let flights = Flights::new(10, 10);
    let FlightSeat::First(ticket) = flights.join(b"k", None, CLIENT) else { panic!("not first") };
    let FlightSeat::Follows(flight) = flights.join(b"k", None, CLIENT) else { panic!("does not follow") };
    assert!(
        matches!(flights.join(b"k", Some("v".into()), CLIENT), FlightSeat::First(_)),
        "another variant flies alone"
    );
    ticket.flight.settle(Outcome::Pass(Reason::SetCookie));
    ticket.flight.settle(Outcome::Pass(Reason::Private));
    let outcome = flight.outcome(Duration::from_secs(1)).await;
    assert!(matches!(outcome, Some(Outcome::Pass(Reason::SetCookie))));
    drop(ticket);
    assert_eq!(flights.under_way(), 0);
    assert!(matches!(flights.join(b"k", None, CLIENT), FlightSeat::First(_)));
}

#[tokio::test]
async fn whoever_comes_after_the_end_asks_anew() {
    let flights = Flights::new(10, 10);
    let FlightSeat::First(mut ticket) = flights.join(b"k", None, CLIENT) else { panic!("not first") };
    ticket.end(Outcome::Pass(Reason::OriginFailed));
    assert!(
        matches!(flights.join(b"k", None, CLIENT), FlightSeat::First(_)),
        "the fill itself may still be under way"
    );
    assert_eq!(flights.under_way(), 0);
}

#[tokio::test]
async fn a_flight_that_was_parted_with_flies_on_alone() {
    let flights = Flights::new(10, 10);
    let FlightSeat::First(mut old) = flights.join(b"k", None, CLIENT) else { panic!("not first") };
    flights.part_with(b"k", None, &old.flight);
    assert_eq!(flights.under_way(), 0);
    let FlightSeat::First(new) = flights.join(b"k", None, CLIENT) else {
        panic!("the old one is out of the table")
    };
    flights.part_with(b"k", None, &old.flight);
    old.end(Outcome::Pass(Reason::SetCookie));
    assert_eq!(flights.under_way(), 1, "the new one stays");
    let FlightSeat::Follows(flight) = flights.join(b"k", None, CLIENT) else { panic!("does not follow") };
    assert!(Arc::ptr_eq(&flight, &new.flight));
}

#[tokio::test]
async fn a_lost_fill_frees_its_followers() {
    let flights = Flights::new(10, 10);
    let FlightSeat::First(ticket) = flights.join(b"k", None, CLIENT) else { panic!("not first") };
    let FlightSeat::Follows(flight) = flights.join(b"k", None, CLIENT) else { panic!("does not follow") };
    drop(ticket);
    assert!(matches!(flight.outcome(Duration::from_secs(1)).await, Some(Outcome::Pass(_))));
}

#[test]
fn the_table_is_bounded() {
    let flights = Flights::new(1, 1);
    let _first = flights.join(b"a", None, CLIENT);
    assert!(matches!(flights.join(b"b", None, CLIENT), FlightSeat::Full));
    assert!(matches!(flights.join(b"a", None, CLIENT), FlightSeat::Follows(_)));
    let place = flights.place();
    assert!(place.is_some() && flights.place().is_none());
    drop(place);
    assert!(flights.place().is_some());
}
