package chargetest

import "strings"

// outcome is what confirming an intent with a payment method leads to.
type outcome struct {
	status  string // of the intent: succeeded, processing, requires_action, or requires_payment_method for a decline
	code    string
	decline string
	message string
}

func (o outcome) declined() bool { return o.status == StatusRequiresPaymentMethod }

func declined(code, decline, message string) outcome {
	return outcome{status: StatusRequiresPaymentMethod, code: code, decline: decline, message: message}
}

// methodOutcome says what a payment method does. The names of test methods are those of docs.stripe.com/testing. Another
// name that begins with pm_ stands for a good card, but an unknown pm_card_ name and pm_missing are not there.
func methodOutcome(method string) (outcome, bool) {
	switch method {
	case "pm_card_chargeDeclined", "pm_card_visa_chargeDeclined", "pm_card_chargeCustomerFail":
		return declined("card_declined", "generic_decline", "Your card was declined."), true
	case "pm_card_chargeDeclinedInsufficientFunds", "pm_card_visa_chargeDeclinedInsufficientFunds":
		return declined("card_declined", "insufficient_funds", "Your card has insufficient funds."), true
	case "pm_card_chargeDeclinedLostCard", "pm_card_visa_chargeDeclinedLostCard":
		return declined("card_declined", "lost_card", "Your card was declined."), true
	case "pm_card_chargeDeclinedStolenCard", "pm_card_visa_chargeDeclinedStolenCard":
		return declined("card_declined", "stolen_card", "Your card was declined."), true
	case "pm_card_chargeDeclinedFraudulent", "pm_card_visa_chargeDeclinedFraudulent", "pm_card_radarBlock":
		return declined("card_declined", "fraudulent", "Your card was declined."), true
	case "pm_card_chargeDeclinedVelocityLimitExceeded", "pm_card_visa_chargeDeclinedVelocityLimitExceeded":
		return declined("card_declined", "card_velocity_exceeded", "Your card was declined for making repeated attempts too often."), true
	case "pm_card_chargeDeclinedExpiredCard":
		return declined("expired_card", "expired_card", "Your card has expired."), true
	case "pm_card_chargeDeclinedIncorrectCvc":
		return declined("incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect."), true
	case "pm_card_chargeDeclinedProcessingError":
		return declined("processing_error", "processing_error", "An error occurred while processing your card."), true
	case "pm_card_authenticationRequired", "pm_card_authenticationRequiredOnSetup", "pm_card_threeDSecure2Required":
		return outcome{status: StatusRequiresAction}, true
	case "pm_usBankAccount", "pm_usBankAccount_success", "pm_usBankAccount_processing", "pm_sepaDebit":
		return outcome{status: StatusProcessing}, true
	case "pm_card_visa", "pm_card_visa_debit", "pm_card_mastercard", "pm_card_mastercard_debit", "pm_card_mastercard_prepaid",
		"pm_card_amex", "pm_card_discover", "pm_card_diners", "pm_card_jcb", "pm_card_unionpay", "pm_card_us", "pm_card_gb",
		"pm_card_de", "pm_card_fr", "pm_card_bypassPending", "pm_card_pendingRefund", "pm_card_riskLevelElevated":
		return outcome{status: StatusSucceeded}, true
	case "pm_missing":
		return outcome{}, false
	}
	good := strings.HasPrefix(method, "pm_") && !strings.HasPrefix(method, "pm_card_")
	return outcome{status: StatusSucceeded}, good
}

// authenticationRequired is what a payment that needs its customer becomes where there is none to ask.
func authenticationRequired() outcome {
	return declined("authentication_required", "authentication_required", "Your card was declined. This transaction requires authentication.")
}
